package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

const ruleUser = "config.user"

// The words for the user that an image runs as.
const (
	userNonRoot = "non-root"
	userNumeric = "numeric"
)

var userKey = &setting[string]{
	path: ruleUser, doc: "Who the image may run as.",
	schema: enum(userNonRoot, userNumeric, wordAny), read: oneOf(userNonRoot, userNumeric, wordAny),
	order: strictest(userNumeric, userNonRoot, wordAny),
}

func userRule() *Rule {
	return &Rule{
		ID: ruleUser, Title: "The image does not run as root.",
		Why: "A process that breaks out of a container has on the host the rights that it had inside.",
		How: "end the Dockerfile with a user that is not root, written as a number: USER 10001",
		Settings: "non-root (uid other than 0, as a runtime resolves USER through the image's /etc/passwd), numeric (also written as a number, which is what " +
			"Kubernetes runAsNonRoot can verify), any. Group 0 alone is not root, but it is mentioned.",
		Default: "not asked", Example: "config: {user: non-root}\n", Levels: true,
		keys: []key{userKey}, on: func(s *settings) bool { return userKey.value(s) != wordAny },
		needs: func(*settings) evidence.Need { return evidence.NeedUser }, check: checkUser,
	}
}

// maxUID is the largest uid that is one: 1<<32 wraps to root in runtimes that
// do not look, and 1<<32-1 means "leave as it is".
const maxUID = 1<<32 - 2

var digitsOnly = regexp.MustCompile(`^[0-9]+$`)

// checkUser asks that the image does not run as root. What the image says
// counts before what the scan resolved: a USER that is root by the
// specification cannot be resolved to another user.
func checkUser(j *judge) answer {
	a := userAnswer(j)
	a.allowed = "any user but root"
	if userKey.value(j.s) == userNumeric {
		a.allowed = "a user that is not root, written as a number"
	}
	return a
}

func userAnswer(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	user, group, _ := strings.Cut(c.User, ":")
	number, numeric := atoi(user)
	switch {
	case c.User == "":
		return failing("runs as root: USER is not set")
	case user == "":
		return failing("runs as root: USER %q names no user", c.User)
	case numeric && number == 0:
		return failing("runs as root: USER %q is uid 0", c.User)
	}
	sc := j.img.Scanned(evidence.NeedUser)
	if sc == nil || sc.User == nil {
		return unresolvedUser(c.User, user, group)
	}
	u := sc.User
	switch {
	case u.Spec != c.User:
		return missing(fmt.Sprintf("the evidence is about USER %q, the image has %q", u.Spec, c.User))
	case u.UID == nil || u.Problem != "":
		return answer{message: unresolvable(c.User, u.Problem),
			cure: "write the user as a number: USER 10001"}
	case *u.UID == 0:
		return failing("runs as root: USER %q is uid 0 (%s)", c.User, cmp.Or(u.Via, "resolved in the image"))
	case *u.UID < 0 || *u.UID > maxUID || numeric && *u.UID != number:
		return answer{message: fmt.Sprintf("USER %q resolves to %d, which is no user", c.User, *u.UID), cure: "write the user as a number: USER 10001"}
	case userKey.value(j.s) == userNumeric && !(u.Numeric && digitsOnly.MatchString(user)):
		return failing("runs as uid %d, but USER %q is a name, which Kubernetes cannot verify", *u.UID, c.User)
	}
	a := passing("runs as uid %d (USER %q)", *u.UID, c.User)
	if u.GID != nil && *u.GID == 0 {
		a.message += ", its group is root (gid 0)"
	}
	return a
}

// unresolvedUser answers when the layers were not read. A plain number is the
// same uid in every runtime. A name can have any uid.
func unresolvedUser(spec, user, group string) answer {
	if user == "root" {
		return failing("runs as root: USER %q", spec)
	}
	number, ok := atoi(user)
	if _, plainGroup := atoi(group); ok && digitsOnly.MatchString(user) && number <= maxUID &&
		(spec == user || plainGroup && digitsOnly.MatchString(group)) {
		return passing("runs as uid %d (USER %q)", number, spec)
	}
	return missing(fmt.Sprintf("USER %q was not resolved", spec))
}

// atoi reads a number as containerd does, with strconv.Atoi: 00, +0 and -0 are
// all root.
func atoi(s string) (int64, bool) {
	n, err := strconv.Atoi(s)
	return int64(n), err == nil
}

// unresolvable says why a USER has no uid. The collector's own sentence is kept
// when it is about the USER already.
func unresolvable(user, problem string) string {
	if strings.HasPrefix(problem, "USER ") {
		return problem
	}
	return fmt.Sprintf("USER %q cannot be resolved: %s", user, cmp.Or(problem, "no reason is given"))
}
