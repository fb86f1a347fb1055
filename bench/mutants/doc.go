// Mutants plants one bug at a time and looks which tests find it, and how fast. A test that cannot
// fail proves nothing; a mutant that survives is a missing test.
//
// A mutant is a change of some words in one file of the program, see table.go. It is built with
// go's -overlay, so nothing in the tree is touched. Its words have to be in the file exactly once:
// a mutant that no longer fits is an error, as is a test that fails without it.
//
//	go run ./bench/mutants                      all mutants, each by the test that is meant to find it
//	go run ./bench/mutants -quick               those that CI looks at
//	go run ./bench/mutants -only lose-a-waiter  one
//	go run ./bench/mutants -sim 1m              all, and each by the simulation too, for at most a minute
//	go run ./bench/mutants -page docs/internals/mutants.md
package main
