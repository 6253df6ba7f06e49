package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/policies"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/policy"
)

const (
	// policyVariable names the policy file when no flag does. It is the only
	// environment variable of ours that can change a verdict.
	policyVariable = "IMAGEGATE_POLICY"
	// policyName is the policy file that is found without being named.
	policyName = "imagegate.yaml"
	// maxPolicy bounds what is read of a policy file; policy.Parse is stricter.
	maxPolicy = 8 << 20
)

// demands are what the caller asks of the policy that applies.
type demands struct{ digest, base string }

// choosePolicy finds, reads and parses the policy. It takes the first of
// these: the file of the flag, that of the variable, that of the working
// directory, the built-in policy. It reads the bytes once, so that it hashes the
// bytes that decide.
func choosePolicy(p *program, c *cli.Context, flag string, want demands) (*policy.Policy, gate.PolicySource, error) {
	path, err := policyPath(p, flag)
	if err != nil {
		return nil, gate.PolicySource{}, err
	}
	pol := policy.Default()
	if path != "" {
		if pol, err = readPolicy(p, c, path); err != nil {
			return nil, gate.PolicySource{Path: path}, err
		}
	}
	source := sourceOf(pol)
	return pol, source, want.check(source)
}

// readPolicy reads a policy and what it builds on.
func readPolicy(p *program, c *cli.Context, path string) (*policy.Policy, error) {
	src, err := input.ReadFile(c.Context, path, maxPolicy)
	if err != nil {
		return nil, fileError("read the policy", err)
	}
	pol, err := policy.ParseOn(path, src, loadBase(p, c))
	if err != nil {
		return nil, &cmdline.Error{Err: err}
	}
	return pol, nil
}

// loadBase reads the policies that others build on, and the VEX documents that they name. A path is relative to the file
// that names it. An artifact is read from a registry once and then kept.
func loadBase(p *program, c *cli.Context) policy.Loader {
	return func(from string, b policy.Base) (string, []byte, error) {
		if b.OCI != "" {
			dir := cmp.Or(c.String("cache-dir"), database.DefaultCacheDir(p.env.get))
			src, err := policies.Read(c.Context, func() (policies.Registry, error) {
				conn, err := connect(p, c, progress.New(io.Discard, true, p.env.get))
				if err != nil {
					return nil, err
				}
				return conn.client, nil
			}, b.OCI, b.Digest, dir)
			return b.String(), src, err
		}
		path := b.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(from), path)
		}
		if b.VEX != nil {
			src, err := readVEX(p, c, path, b.VEX)
			return path, src, err
		}
		src, err := input.ReadFile(c.Context, path, maxPolicy)
		return path, src, err
	}
}

func sourceOf(p *policy.Policy) gate.PolicySource {
	parts := p.Parts()
	last := parts[len(parts)-1]
	return gate.PolicySource{Path: last.Name, SHA256: last.SHA256, Digest: p.Digest(), Parts: parts, Unasked: p.Unasked()}
}

// policyPath returns the policy file to use, "" for the built-in policy.
func policyPath(p *program, flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if name, set := p.env.lookup(policyVariable); set {
		if strings.TrimSpace(name) == "" {
			return "", usagef("%s is set but empty", policyVariable).
				WithHint("unset it, or set it to the path of a policy file")
		}
		return name, nil
	}
	// Lstat: a link that leads nowhere is a policy that is missing, not no
	// policy.
	if _, err := os.Lstat(policyName); errors.Is(err, fs.ErrNotExist) {
		return "", misnamedPolicy()
	}
	info, err := os.Stat(policyName)
	if err != nil {
		return "", fileError("look for the policy", err)
	}
	if !info.Mode().IsRegular() {
		return "", usagef("%s in the working directory is not a file", policyName) // reading a pipe would wait for ever
	}
	return policyName, nil
}

// misnamedPolicy refuses to overlook a policy because of its file name.
func misnamedPolicy() error {
	for _, name := range []string{"imagegate.yml", ".imagegate.yaml", ".imagegate.yml"} {
		if _, err := os.Lstat(name); err == nil {
			return usagef("%s is in the working directory, but only %s is read without being named", name, policyName).
				WithHint("rename it to %s, or name it: --policy %s", policyName, name)
		}
	}
	return nil
}

// check compares the policy with what the caller asks of it.
func (want demands) check(source gate.PolicySource) error {
	if want.digest != "" {
		digest, err := parseHash("--require-policy-digest", want.digest)
		if err != nil {
			return err
		}
		if digest != strings.TrimPrefix(source.Digest, "sha256:") {
			return usagef("what applies of the policy %s has the digest %s, but --require-policy-digest asks for sha256:%s", source.Path, source.Digest, digest).
				WithHint("the policy, its base or the built-in policy was changed: review it with imagegate policy show, then change the digest")
		}
	}
	if want.base == "" {
		return nil
	}
	hash, err := parseHash("--require-base-policy", want.base)
	if err != nil {
		return err
	}
	for i, part := range source.Parts {
		if part.SHA256 == hash && (part.Pinned || i == len(source.Parts)-1) {
			return nil
		}
	}
	return usagef("the policy %s does not build on the base policy sha256:%s", source.Path, hash).
		WithHint("begin it with extends: {file: PATH, sha256: %s}", hash)
}

// parseHash reads a SHA-256 hash, with or without its algorithm in front.
func parseHash(flag, value string) (string, error) {
	hash := strings.ToLower(strings.TrimPrefix(value, "sha256:"))
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(hash) {
		return "", usagef("flag %s: %q is not a SHA-256 hash", flag, value).
			WithHint("it has 64 hexadecimal digits, as imagegate policy validate prints them")
	}
	return hash, nil
}

// fileError wraps the failure to read a file that the user named. It is a
// mistake of the command line, unless the machine failed or the run had to end:
// then the same command may work at another time, and there is no verdict.
func fileError(what string, err error) error {
	if _, ended := errors.AsType[*input.EndedError](err); ended {
		return fmt.Errorf("%s: %w", what, err)
	}
	for _, machine := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EIO, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, machine) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return usagef("%s: %w", what, err)
}
