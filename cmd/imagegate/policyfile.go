package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy"
)

const (
	// policyVariable names the policy file when no flag does. It is the only
	// environment variable of ours that can change a verdict.
	policyVariable = "IMAGEGATE_POLICY"
	// policyName is the policy file that is found without being named.
	policyName = "imagegate.yaml"
	// builtIn is what reports call the policy that is compiled in.
	builtIn = "built-in default"
	// maxPolicy bounds what is read of a policy file; policy.Parse is stricter.
	maxPolicy = 8 << 20
)

// choosePolicy finds, reads and parses the policy: the flag's, else the
// variable's, else the working directory's, else the built-in one. The bytes
// are read once, so those that are hashed are those that decide.
func choosePolicy(ctx context.Context, p *program, flag, wantSHA256 string) (*policy.Policy, gate.PolicySource, error) {
	path, err := policyPath(p, flag)
	if err != nil {
		return nil, gate.PolicySource{}, err
	}
	if path == "" {
		source := sourceOf(builtIn, policy.DefaultSource())
		return policy.Default(), source, requireSHA256(source, wantSHA256)
	}
	src, err := input.ReadFile(ctx, path, maxPolicy)
	if err != nil {
		return nil, gate.PolicySource{}, fileError("read the policy", err)
	}
	source := sourceOf(path, src)
	if err := requireSHA256(source, wantSHA256); err != nil {
		return nil, source, err
	}
	pol, err := policy.Parse(path, src)
	if err != nil {
		return nil, source, &cmdline.Error{Err: err}
	}
	return pol, source, nil
}

func sourceOf(path string, src []byte) gate.PolicySource {
	sum := sha256.Sum256(src)
	return gate.PolicySource{Path: path, SHA256: hex.EncodeToString(sum[:])}
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
			return usagef("%s lies in the working directory, but only %s is read without being named", name, policyName).
				WithHint("rename it to %s, or name it: --policy %s", policyName, name)
		}
	}
	return nil
}

// requireSHA256 compares the policy's hash with the one that was asked for.
func requireSHA256(source gate.PolicySource, want string) error {
	if want == "" {
		return nil
	}
	hash := strings.ToLower(strings.TrimPrefix(want, "sha256:"))
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(hash) {
		return usagef("flag --require-policy-sha256: %q is not a SHA-256 hash", want).
			WithHint("it has 64 hexadecimal digits, as sha256sum prints them")
	}
	if hash != source.SHA256 {
		return usagef("the policy %s has sha256 %s, but --require-policy-sha256 asks for %s", source.Path, source.SHA256, hash).
			WithHint("the policy was changed: review it, then change the hash")
	}
	return nil
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
