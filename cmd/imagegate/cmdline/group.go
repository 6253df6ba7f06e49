package cmdline

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// Group puts flags under a heading in the help, and returns them. A flag that is
// in a group already stays there. It panics for a type of flag that no command
// has, which is a mistake in the program.
func Group(heading string, flags ...cli.Flag) []cli.Flag {
	for _, f := range flags {
		if c := category(f); *c == "" {
			*c = heading
		}
	}
	return flags
}

func category(f cli.Flag) *string {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return &f.Category
	case *cli.DurationFlag:
		return &f.Category
	case *cli.IntFlag:
		return &f.Category
	case *cli.StringFlag:
		return &f.Category
	case *cli.StringSliceFlag:
		return &f.Category
	}
	panic(fmt.Sprintf("a flag of type %T", f))
}

// group is the flags under one heading.
type group struct {
	heading string // empty for those that are in no group
	flags   []cli.Flag
}

// groupsOf divides the flags of a command, in the order in which the groups
// begin. Flags without a group come first.
func groupsOf(flags []cli.Flag) []group {
	groups := []group{{}}
	at := map[string]int{}
	for _, f := range flags {
		heading := *category(f)
		i, known := at[heading]
		if heading != "" && !known {
			i = len(groups)
			at[heading] = i
			groups = append(groups, group{heading: heading})
		}
		groups[i].flags = append(groups[i].flags, f)
	}
	return groups
}
