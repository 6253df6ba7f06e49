package policy

import (
	"fmt"
	"regexp"

	"github.com/imagegate/imagegate/policy/words"
)

const ruleDenyHistory = "config.deny-history"

// historyRemoteAdd is a build step that copies a file from the network.
const historyRemoteAdd = "remote-add"

var denyHistoryKey = &setting[[]string]{
	path: ruleDenyHistory, doc: "Build steps that the history of the image may not have.",
	schema: listOf(enum(historyRemoteAdd)), read: wordList([]string{historyRemoteAdd}), order: longer(same),
}

func denyHistoryRule() *Rule {
	return &Rule{
		ID: ruleDenyHistory, Title: "The image was built without these steps.",
		Why: "ADD https://... ships what a server answers at the time of the build.",
		How: "download the file in a build step that checks its hash, or use ADD --checksum", Default: "not asked", Levels: true,
		Settings: "a list of remote-add: ADD of a URL or a git repository. ADD --checksum is allowed. The history is what the builder wrote down: " +
			"an image without one is undecided, and an author who forges it is not found out.",
		Example: "config: {deny-history: [remote-add]}\n",
		keys:    []key{denyHistoryKey}, check: checkDenyHistory,
	}
}

var (
	remoteAdd = regexp.MustCompile(`(?i)(?:^|#\(nop\)|[|&;]|/bin/sh -c)\s*ADD\s+((?:--\S+\s+)*)(?:\[\s*"?)?"?(?:https?|ftp|git|ssh)(?:://|@)\S*`)
	checksum  = regexp.MustCompile(`(?i)--checksum=sha256:[0-9a-f]{64}\b`)
)

func checkDenyHistory(j *judge) answer {
	c := j.img.Config
	if c == nil || c.Layers == nil {
		return missing(noConfig)
	}
	var bad []string
	unknown := 0
	for i, l := range c.Layers {
		m := remoteAdd.FindStringSubmatch(l.CreatedBy)
		switch {
		case l.CreatedBy == "":
			unknown++
		case m != nil && !checksum.MatchString(m[1]):
			bad = append(bad, fmt.Sprintf("layer %d: %s", i+1, clip(l.CreatedBy)))
		}
	}
	a := passing("no step of %s is denied", words.Plural(len(c.Layers), "layer"))
	switch {
	case len(bad) > 0:
		a = failing("%s from the network", words.Plural(len(bad), "layer"))
		a.details = bad
	case unknown > 0:
		a = undecided("the history does not say how %s of %s came about", words.Count(unknown), words.Plural(len(c.Layers), "layer"))
		a.cure = "build the image with a builder that writes a history"
	}
	a.allowed = "no layer that is added from the network"
	return a
}
