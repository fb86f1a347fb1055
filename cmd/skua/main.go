// Command skua is the stock engine: it serves, checks, replays, and talks to a server as a client.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Exit codes, as documented in docs/reference/cli.md.
const (
	exitOK      = 0
	exitError   = 1 // An operation failed: no server, no disk, no answer.
	exitUsage   = 2 // The command line makes no sense.
	exitRefused = 3 // The engine refused: not enough stock, no such reservation.
	exitDamaged = 4 // check found damage.
)

// program is the command line. Every flag of serve is also an environment variable
// (SKUA_HTTP for --http) and a line of a YAML file (--config). Flags of the other commands that have
// the same name mean something else, and so have none; but those of everywhere mean one thing.
type program struct {
	Config kong.ConfigFlag `help:"YAML file with settings for the flags." placeholder:"FILE"`

	Serve   serveCmd   `cmd:"" help:"Run the engine with its HTTP and NATS doors."`
	Backup  backupCmd  `cmd:"" help:"Copy a data directory, while its server goes on or while nobody uses it."`
	Restore restoreCmd `cmd:"" help:"Make a data directory of a backup, verifying every byte."`
	Check   checkCmd   `cmd:"" help:"Verify log, snapshots, history and invariants of a data directory that nobody uses."`
	Replay  replayCmd  `cmd:"" help:"Feed a CSV of real orders to a server, and verify the books afterwards."`
	Bench   benchCmd   `cmd:"" help:"Measure how fast the engine is on this machine."`
	Item    itemCmd    `cmd:"" help:"Show, create or stock an item."`
	Reserve reserveCmd `cmd:"" help:"Hold units: skua reserve SKU=QUANTITY[@LOCATION]..."`
	Confirm confirmCmd `cmd:"" help:"Turn a reservation into an order."`
	Release releaseCmd `cmd:"" help:"Give a reservation's units back."`
	History historyCmd `cmd:"" help:"List the movements of an item, newest first."`
	Watch   watchCmd   `cmd:"" help:"Follow change events as they happen."`
	Token   tokenCmd   `cmd:"" help:"Make, list and revoke the API tokens of a server."`
	Version versionCmd `cmd:"" help:"Show the version."`
}

// errRefused is an answer of the engine that is not what was asked for; it has been shown.
var errRefused = errors.New("refused")

// errUsage is an argument that makes no sense.
var errUsage = errors.New("the command line makes no sense")

// errDamaged is what check ends with when it found damage; it has been shown.
var errDamaged = errors.New("damaged")

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with everything that it touches passed in, so that tests can call it.
func run(args []string, stdout, stderr io.Writer) int {
	var p program
	exit := -1
	parser, err := kong.New(&p,
		kong.Name("skua"),
		kong.Description("A stock engine: reservations that are never lost, units that are never sold twice."),
		kong.UsageOnError(),
		environment(),
		kong.Configuration(readConfigFile),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.Bind(output{stdout, stderr}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "skua:", err)
		return exitError
	}
	ctx, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help has been answered.
	}
	if err != nil {
		fmt.Fprintln(stderr, "skua:", err)
		fmt.Fprintln(stderr, "Run \"skua --help\" for what there is.")
		return exitUsage
	}
	switch err := ctx.Run(); {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, "skua:", err)
		return exitUsage
	case errors.Is(err, errRefused):
		return exitRefused
	case errors.Is(err, errDamaged):
		return exitDamaged
	default:
		fmt.Fprintln(stderr, "skua:", err)
		return exitError
	}
}

// everywhere are the flags that mean the same wherever they are.
var everywhere = []string{"server", "token", "token-file", "ca", "tokens"}

// environment names the environment variables of the flags that have one.
func environment() kong.Option {
	return kong.PostBuild(func(k *kong.Kong) error {
		name := func(flags []*kong.Flag, which func(*kong.Flag) bool) {
			for _, f := range flags {
				if f.Name != "help" && which(f) {
					env := "SKUA_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
					f.Envs, f.Tag.Envs = []string{env}, []string{env}
				}
			}
		}
		name(k.Model.Flags, func(*kong.Flag) bool { return true })
		for _, c := range k.Model.Leaves(false) {
			name(c.Flags, func(f *kong.Flag) bool { return c.Name == "serve" || slices.Contains(everywhere, f.Name) })
		}
		return nil
	})
}

// output is where a command writes.
type output struct{ out, err io.Writer }
