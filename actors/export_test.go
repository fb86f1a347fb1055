package actors

// Actors is how many actors were made and have not stopped, and whatever else is in Proto.Actor's
// registry.
func (s *System) Actors() int {
	n := int(s.alive.Load())
	for _, pids := range s.actors.ProcessRegistry.LocalPIDs.LocalPIDs {
		n += pids.Count()
	}
	return n
}
