// Package ci knows the CI systems a gate runs in: which one this is, and where
// its summary, its outputs, its annotations and its foldable sections go.
//
// What is published comes from a finished run and changes nothing in it: an
// error here is something to warn of, never a verdict.
package ci

import (
	"fmt"
	"strings"
)

// System is a CI system.
type System string

// The systems with something to publish to.
const (
	None   System = "none"
	GitHub System = "github" // and Gitea and Forgejo, which speak the same
	GitLab System = "gitlab"
)

// Environment is a CI system and the places it has set aside for this job.
// The zero value publishes nothing.
type Environment struct {
	System System
	// Summary is the file of GitHub's job summary, Outputs the one of the step's
	// outputs; "" when the system gave none.
	Summary string
	Outputs string
	// Workspace is the root of the checkout, "" when it is not known.
	Workspace string
	// DefaultBranchImage is GitLab's CS_DEFAULT_BRANCH_IMAGE.
	DefaultBranchImage string
}

// Detect finds out from the environment variables which CI system this is.
func Detect(getenv func(string) string) Environment {
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		return environment(GitHub, getenv)
	case getenv("GITLAB_CI") == "true":
		return environment(GitLab, getenv)
	}
	return environment(None, getenv)
}

// Choose returns the environment for the argument of --ci: auto, github, gitlab
// or none.
func Choose(name string, getenv func(string) string) (Environment, error) {
	switch System(name) {
	case "", "auto":
		return Detect(getenv), nil
	case None, GitHub, GitLab:
		return environment(System(name), getenv), nil
	}
	return Environment{}, fmt.Errorf("unknown CI system %q (use auto, github, gitlab or none)", name)
}

func environment(s System, getenv func(string) string) Environment {
	switch s {
	case GitHub:
		return Environment{System: s, Summary: getenv("GITHUB_STEP_SUMMARY"), Outputs: getenv("GITHUB_OUTPUT"), Workspace: getenv("GITHUB_WORKSPACE")}
	case GitLab:
		return Environment{System: s, Workspace: getenv("CI_PROJECT_DIR"), DefaultBranchImage: getenv("CS_DEFAULT_BRANCH_IMAGE")}
	}
	return Environment{System: None}
}

// isDigest reports whether s is a digest that may be handed on as one: scripts
// put it into commands, and an image must not choose what they run.
func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}
