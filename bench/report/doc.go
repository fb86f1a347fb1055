// Package report shows what a measurement found: as text on a terminal, as one HTML file with
// plots, and as a part of a Markdown page with plots beside it. What is shown is [Section]s of text,
// tables and plots; functions such as [Compare] make them of what package bench measured.
package report
