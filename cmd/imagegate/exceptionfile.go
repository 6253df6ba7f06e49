package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/edit"
)

// editedPolicy is a policy file whose exceptions are changed in place.
type editedPolicy struct {
	path   string
	src    []byte
	policy *policy.Policy
}

// policyFlag names the policy file that a command changes.
func policyFlag() cli.Flag {
	return &cli.StringFlag{Name: "policy", Aliases: []string{"p"}, Usage: "change the policy in `FILE`"}
}

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Usage: "tell what would change, and write nothing"}
}

// openPolicy reads the policy file that is to be changed. It must have no mistake.
func openPolicy(p *program, c *cli.Context) (*editedPolicy, error) {
	path, err := policyPath(p, c.String("policy"))
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, usagef("there is no policy file to change").WithHint("begin with: imagegate policy init > imagegate.yaml")
	}
	src, err := input.ReadFile(c.Context, path, maxPolicy)
	if err != nil {
		return nil, fileError("read the policy", err)
	}
	e := &editedPolicy{path: path, src: src}
	if e.policy, err = policy.ParseOn(path, src, loadBase(p, c)); err != nil {
		return nil, &cmdline.Error{Err: err}
	}
	return e, nil
}

// own lists the exceptions of the file itself, without those of a base.
func (e *editedPolicy) own() []*policy.Exception {
	var out []*policy.Exception
	for _, x := range e.policy.Exceptions() {
		if x.Position.File == e.path {
			out = append(out, x)
		}
	}
	return out
}

// withoutExcepted leaves out what the policy excepts by now, and tells that it does: a
// report can be older than the policy.
func (e *editedPolicy) withoutExcepted(p *program, wanted []*exceptable) ([]*exceptable, error) {
	var out []*exceptable
	for _, s := range wanted {
		x := e.excepting(s, today(p))
		if x == nil {
			out = append(out, s)
			continue
		}
		if err := p.print("%s: left out %s, which is excepted already until %s\n", terminal(x.Position.String()), terminal(x.Name()), x.Expires.Format(time.DateOnly)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// excepting returns an exception that lasts and names exactly the subject in all of its
// images, nil for none. One that matches by a glob is not looked for: a second exception
// does no harm.
func (e *editedPolicy) excepting(s *exceptable, today time.Time) *policy.Exception {
	for _, x := range e.policy.Exceptions() {
		if !x.Expires.Before(today) && s.isSubjectOf(x) && s.isInScopeOf(x) {
			return x
		}
	}
	return nil
}

func (s *exceptable) isSubjectOf(x *policy.Exception) bool {
	return x.Kind() == s.kind && slices.ContainsFunc(append([]string{s.name}, s.aliases...), func(name string) bool { return strings.EqualFold(name, x.Subject()) })
}

func (s *exceptable) isInScopeOf(x *policy.Exception) bool {
	outside := func(image string) bool { return !slices.Contains(x.Images, image) }
	switch {
	case len(x.Images) > 0 && (len(s.images) == 0 || slices.ContainsFunc(s.images, outside)),
		len(x.Paths) > 0 && !slices.Equal(x.Paths, []string{s.path}),
		x.Package != "" && x.Package != s.pkg, x.Workload != "":
		return false
	}
	return s.kind != "secret" && s.kind != "gap" || x.Content == s.content && x.Cause == s.cause && (x.Path == "" || x.Path == s.path)
}

// check reads the changed text as a policy.
func (e *editedPolicy) check(p *program, c *cli.Context, src []byte, err error) (*policy.Policy, error) {
	switch {
	case errors.Is(err, edit.ErrLayout):
		return nil, usagef("%s: %w", e.path, err)
	case err != nil:
		return nil, err
	}
	pol, err := policy.ParseOn(e.path, src, loadBase(p, c))
	if err != nil {
		return nil, refusedChange(e.path, err)
	}
	return pol, nil
}

// refusedChange tells the mistakes that a policy would have. Their places are in a
// text that is not written, so they are left out.
func refusedChange(path string, err error) error {
	var wrong *policy.Error
	if !errors.As(err, &wrong) {
		return err
	}
	var all []string
	for _, d := range wrong.Diagnostics {
		text := d.Msg
		if d.Cure != "" {
			text += " (" + d.Cure + ")"
		}
		all = append(all, text)
	}
	return usagef("the change is refused and %s is as it was: %s", path, strings.Join(all, "; "))
}

// write puts the changed text in the place of the file, unless only a try was asked
// for.
func (e *editedPolicy) write(p *program, c *cli.Context, src []byte) error {
	if c.Bool("dry-run") {
		return p.print("nothing was written\n")
	}
	if err := replaceFile(e.path, e.src, src); err != nil {
		return fileError("write the policy", err)
	}
	return nil
}

// replaceFile writes a file so that at every moment it is the old or the new one. It
// keeps the mode, and follows links. The file must still hold what it held when it
// was read.
func replaceFile(path string, old, content []byte) (err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	now, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, old) {
		return fmt.Errorf("%s was changed meanwhile", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".imagegate-*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
