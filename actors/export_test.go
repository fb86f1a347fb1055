package actors

// Actors is how many actors there are, however they came to be.
func (s *System) Actors() (n int) {
	for _, pids := range s.actors.ProcessRegistry.LocalPIDs.LocalPIDs {
		n += pids.Count()
	}
	return n
}
