package layer

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	passwdUID = 2 // name:password:UID:GID:...
	passwdGID = 3
	groupGID  = 2 // name:password:GID:members
)

// User returns the user and group as which a runtime runs a container whose
// config has the given USER. It follows containerd (pkg/oci WithUser), Docker and
// runc (moby/sys/user). They read numbers with Atoi, so "00" and "+0" are root.
// They resolve names with the passwd file of the image. Where the runtimes
// differ, or where one of them would guess, the result has no uid and Problem
// gives the reason.
func (f *Facts) User(spec string) evidence.User {
	u := evidence.User{Spec: spec}
	if spec == "" {
		return known(u, 0, ptr(0), "no USER is set, which is uid 0")
	}
	name, group, hasGroup, err := splitUser(spec)
	if err != nil {
		return unknown(u, err)
	}
	u, err = f.userPart(u, name)
	if err != nil {
		return unknown(u, err)
	}
	if !hasGroup {
		return u
	}
	gid, err := f.groupPart(group)
	if err != nil && *u.UID != 0 {
		// The runtimes refuse to start such a container.
		return unknown(u, err)
	}
	u.GID = gid
	return u
}

// splitUser checks the form and splits at the colon.
func splitUser(spec string) (name, group string, hasGroup bool, err error) {
	if i := strings.IndexFunc(spec, oddInUser); i >= 0 {
		return "", "", false, fmt.Errorf("USER %s contains %q: it is a variable that was never filled in, or white space or a control character that runtimes treat differently", quote(spec), spec[i])
	}
	name, group, hasGroup = strings.Cut(spec, ":")
	switch {
	case strings.Contains(group, ":"):
		return "", "", false, fmt.Errorf("USER %s has more than one colon", quote(spec))
	case name == "":
		return "", "", false, fmt.Errorf("USER %s has no user before the colon; runtimes take that for root", quote(spec))
	case hasGroup && group == "":
		return "", "", false, fmt.Errorf("USER %s has no group after the colon, which runtimes treat differently", quote(spec))
	}
	return name, group, hasGroup, nil
}

func oddInUser(r rune) bool {
	return r <= ' ' || r == '$' || r == 0x7f || r == '\ufffd' || r > 0x7f && !strconv.IsPrint(r)
}

// userPart resolves the part before the colon.
func (f *Facts) userPart(u evidence.User, name string) (evidence.User, error) {
	n, err := strconv.Atoi(name)
	switch {
	case err == nil && n >= 0 && n <= maxID:
		u.Numeric = true
		gid, via := f.groupOf(int64(n))
		return known(u, int64(n), gid, via), nil
	case err == nil, errors.Is(err, strconv.ErrRange):
		return u, fmt.Errorf("USER %s is out of range (0 to %d)", quote(name), int64(math.MaxInt32))
	}
	data, err := f.Passwd.data(passwdPath)
	if err == nil {
		return userByName(u, name, data)
	}
	if name == "root" {
		return known(u, 0, nil, "root is uid 0 by convention, "+err.Error()), nil
	}
	return u, fmt.Errorf("USER %s is a name and cannot be resolved: %w", quote(name), err)
}

func userByName(u evidence.User, name string, passwd []byte) (evidence.User, error) {
	uid, a, err := lookup(passwd, name, passwdUID)
	switch {
	case errors.Is(err, errNoAccount) && name == "root":
		return known(u, 0, nil, "root is uid 0 by convention, /etc/passwd does not list it"), nil
	case errors.Is(err, errNoAccount):
		return u, fmt.Errorf("USER %s is not in the image's /etc/passwd; create it with adduser or use a number", quote(name))
	case err != nil:
		return u, fmt.Errorf("USER %s cannot be resolved: /etc/passwd %w", quote(name), err)
	case name == "root" && uid != 0:
		return u, fmt.Errorf("/etc/passwd line %d makes root uid %d; not every tool believes that", a.line, uid)
	}
	var gid *int64
	if n, err := a.id(passwdGID); err == nil {
		gid = ptr(n)
	}
	return known(u, uid, gid, fmt.Sprintf("/etc/passwd line %d says %s is uid %d", a.line, quote(name), uid)), nil
}

// groupOf returns the group that a runtime gives a numeric user: the group of the
// first passwd entry with the same uid, or 0 if there is no such entry.
func (f *Facts) groupOf(uid int64) (*int64, string) {
	via := fmt.Sprintf("uid %d is a number", uid)
	if uid == 0 {
		via = "uid 0 is root"
	}
	data, err := f.Passwd.data(passwdPath)
	if err != nil {
		if f.Passwd == nil {
			return ptr(0), via
		}
		return nil, via
	}
	a, ok := firstWithID(data, uid)
	if !ok {
		return ptr(0), via
	}
	gid, err := a.id(passwdGID)
	if err != nil {
		return nil, via
	}
	return ptr(gid), via
}

// groupPart resolves the part after the colon.
func (f *Facts) groupPart(group string) (*int64, error) {
	n, err := strconv.Atoi(group)
	switch {
	case err == nil && n >= 0 && n <= maxID:
		return ptr(int64(n)), nil
	case err == nil, errors.Is(err, strconv.ErrRange):
		return nil, fmt.Errorf("group %s is out of range (0 to %d)", quote(group), int64(math.MaxInt32))
	}
	data, err := f.Group.data(groupPath)
	if err != nil {
		return nil, fmt.Errorf("group %s is a name and cannot be resolved: %w", quote(group), err)
	}
	gid, _, err := lookup(data, group, groupGID)
	switch {
	case errors.Is(err, errNoAccount):
		return nil, fmt.Errorf("group %s is not in the image's /etc/group", quote(group))
	case err != nil:
		return nil, fmt.Errorf("group %s cannot be resolved: /etc/group %w", quote(group), err)
	}
	return ptr(gid), nil
}

func known(u evidence.User, uid int64, gid *int64, via string) evidence.User {
	u.UID, u.GID, u.Via, u.Problem = &uid, gid, via, ""
	return u
}

func unknown(u evidence.User, err error) evidence.User {
	u.UID, u.GID, u.Via, u.Problem = nil, nil, "", err.Error()
	return u
}

func ptr(n int64) *int64 { return &n }
