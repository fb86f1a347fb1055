// Package sim lives whole lives of the system from a seed.
package sim
