package layer

import (
	"strconv"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

const testPasswd = `root:x:0:0:root:/root:/bin/sh
app:x:1000:1001:App:/home/app:/bin/sh
toor:x:0:0::/root:/bin/sh
  spaced:x:1002:1002::/:
bad:x:abc:1::/:
short
neg:x:-1:0::/:
wrap:x:4294967296:0::/:
same:x:7:7::/:
same:x:7:8::/:
two:x:1000:1::/:
two:x:0:0::/:
nogid:x:1005
zeros:x:00:0::/:
1234:x:0:0::/:
#note:x:3:3::/:
+::::::
crlf:x:1009:1009::/:` + "\r\n"

const testGroup = `root:x:0:
staff:x:50:app
bad:x:q:
`

// userCases are oracles: what containerd, runc and Docker do, and no uid where
// they differ or guess.
var userCases = []struct {
	spec     string
	uid, gid int64 // -1 is unknown
	numeric  bool
	problem  string
}{
	{"", 0, 0, false, ""},
	{"0", 0, 0, true, ""},
	{"00", 0, 0, true, ""},
	{"000000000000000000000", 0, 0, true, ""},
	{"+0", 0, 0, true, ""},
	{"-0", 0, 0, true, ""},
	{"0:0", 0, 0, true, ""},
	{"0:1000", 0, 1000, true, ""},
	{"root", 0, 0, false, ""},
	{"root:root", 0, 0, false, ""},
	{"root:staff", 0, 50, false, ""},
	{"root:missing", 0, -1, false, ""},
	{"0:missing", 0, -1, true, ""},
	{"toor", 0, 0, false, ""},
	{"zeros", 0, 0, false, ""},
	{"1000", 1000, 1001, true, ""},
	{"+1000", 1000, 1001, true, ""},
	{"01000", 1000, 1001, true, ""},
	{"1234", 1234, 0, true, ""}, // a name, too, but numbers are never names
	{"65532", 65532, 0, true, ""},
	{"2147483647", 2147483647, 0, true, ""},
	{"app", 1000, 1001, false, ""},
	{"app:staff", 1000, 50, false, ""},
	{"app:50", 1000, 50, false, ""},
	{"app:0", 1000, 0, false, ""},
	{"app:root", 1000, 0, false, ""},
	{"1000:staff", 1000, 50, true, ""},
	{"spaced", 1002, 1002, false, ""},
	{"same", 7, 7, false, ""},
	{"nogid", 1005, -1, false, ""},
	{"crlf", 1009, 1009, false, ""},
	{"#note", 3, 3, false, ""},

	{"missing", -1, -1, false, "not in the image's /etc/passwd"},
	{"Root", -1, -1, false, "not in the image's /etc/passwd"},
	{"ROOT", -1, -1, false, "not in the image's /etc/passwd"},
	{"ContainerAdministrator", -1, -1, false, "not in the image's /etc/passwd"},
	{"0x0", -1, -1, false, "not in the image's /etc/passwd"},
	{"1_000", -1, -1, false, "not in the image's /etc/passwd"},
	{"1.0", -1, -1, false, "not in the image's /etc/passwd"},
	{"１０００", -1, -1, false, "not in the image's /etc/passwd"},
	{"bad", -1, -1, false, "malformed"},
	{"short", -1, -1, false, "malformed"},
	{"neg", -1, -1, false, "out of range"},
	{"wrap", -1, -1, false, "out of range"},
	{"two", -1, -1, false, "both define it"},
	{"+", -1, -1, false, "malformed"},
	{"2147483648", -1, -1, false, "out of range"},
	{"4294967295", -1, -1, false, "out of range"},
	{"4294967296", -1, -1, false, "out of range"},
	{"18446744073709551616", -1, -1, false, "out of range"},
	{"-1", -1, -1, false, "out of range"},
	{"-1000:0", -1, -1, false, "out of range"},
	{"1000:-1", -1, -1, false, "out of range"},
	{"1000:4294967296", -1, -1, false, "out of range"},
	{"1000:missing", -1, -1, false, "not in the image's /etc/group"},
	{"app:bad", -1, -1, false, "malformed"},
	{"${USER}", -1, -1, false, "variable"},
	{"$USER", -1, -1, false, "variable"},
	{"app$", -1, -1, false, "variable"},
	{"1000:${GID}", -1, -1, false, "variable"},
	{" ", -1, -1, false, "white space"},
	{" root", -1, -1, false, "white space"},
	{"root ", -1, -1, false, "white space"},
	{" 0", -1, -1, false, "white space"},
	{"0 ", -1, -1, false, "white space"},
	{"0\n", -1, -1, false, "white space"},
	{"\t1000", -1, -1, false, "white space"},
	{"1000\x00", -1, -1, false, "control"},
	{"app\x7f", -1, -1, false, "control"},
	{"app\u202e", -1, -1, false, "control"},
	{"app\u00a0", -1, -1, false, "control"},
	{"\xff", -1, -1, false, "control"},
	{":", -1, -1, false, "no user"},
	{":0", -1, -1, false, "no user"},
	{":1000", -1, -1, false, "no user"},
	{"app:", -1, -1, false, "no group"},
	{"0:", -1, -1, false, "no group"},
	{"1000:", -1, -1, false, "no group"},
	{"app:staff:x", -1, -1, false, "more than one colon"},
	{"0:0:0", -1, -1, false, "more than one colon"},
	{"::", -1, -1, false, "more than one colon"},
}

// resolveUser resolves a USER with the content of two files.
func resolveUser(spec string, passwd, group []byte, havePasswd, haveGroup bool) evidence.User {
	f := &Facts{}
	if havePasswd {
		f.Passwd = &Accounts{Path: passwdPath, Data: passwd}
	}
	if haveGroup {
		f.Group = &Accounts{Path: groupPath, Data: group}
	}
	return f.User(spec)
}

func TestResolveUser(t *testing.T) {
	for _, tt := range userCases {
		u := resolveUser(tt.spec, []byte(testPasswd), []byte(testGroup), true, true)
		if !isID(u.UID, tt.uid) || !isID(u.GID, tt.gid) {
			t.Errorf("%q: %s:%s (%s%s), want %d:%d", tt.spec, idOf(u.UID), idOf(u.GID), u.Via, u.Problem, tt.uid, tt.gid)
		}
		if !strings.Contains(u.Problem, tt.problem) || (u.Problem == "") != (u.UID != nil) || (u.Via == "") != (u.UID == nil) {
			t.Errorf("%q: problem %q, via %q; want %q", tt.spec, u.Problem, u.Via, tt.problem)
		}
		if tt.uid >= 0 && u.Numeric != tt.numeric || u.Spec != tt.spec {
			t.Errorf("%q: %+v, want numeric %v", tt.spec, u, tt.numeric)
		}
	}
}

func isID(got *int64, want int64) bool {
	if got == nil {
		return want == -1
	}
	return *got == want
}

func idOf(id *int64) string {
	if id == nil {
		return "?"
	}
	return strconv.FormatInt(*id, 10)
}

// TestResolveUserWithoutFiles: names need a passwd, numbers do not.
func TestResolveUserWithoutFiles(t *testing.T) {
	for spec, want := range map[string]int64{"1000": 1000, "1000:1000": 1000, "0": 0, "": 0, "root": 0, "app": -1, "1000:staff": -1} {
		if u := resolveUser(spec, nil, nil, false, false); !isID(u.UID, want) {
			t.Errorf("%q: %+v, want %d", spec, u, want)
		}
	}
	for spec, want := range map[string]int64{"root": 0, "app": -1, "1000": 1000} {
		if u := resolveUser(spec, nil, nil, true, true); !isID(u.UID, want) {
			t.Errorf("%q with empty files: %+v, want %d", spec, u, want)
		}
	}
}

// TestResolveUserLongLine: runtimes give up at a line of 64 KiB, wherever it is.
func TestResolveUserLongLine(t *testing.T) {
	long := testPasswd + "x:" + strings.Repeat("y", 70_000) + ":1:1\n"
	if u := resolveUser("app", []byte(long), nil, true, false); u.UID != nil {
		t.Errorf("%+v", u)
	}
	if u := resolveUser("1000", []byte(long), nil, true, false); u.UID == nil || *u.UID != 1000 {
		t.Errorf("%+v", u)
	}
}

// TestRootIsNotRenamed: an image that gives root another uid is not believed.
func TestRootIsNotRenamed(t *testing.T) {
	if u := resolveUser("root", []byte("root:x:1000:1000::/:\n"), nil, true, false); u.UID != nil {
		t.Errorf("root is %+v", u)
	}
}

// TestFactsUser: accounts that are not where they are named cannot be trusted.
func TestFactsUser(t *testing.T) {
	passwd := file1("etc/passwd", testPasswd)
	for name, tt := range map[string]struct {
		layers [][]item
		uid    int64
	}{
		"plain":              {[][]item{{passwd}}, 1000},
		"absolute name":      {[][]item{{file1("/etc/passwd", testPasswd)}}, 1000},
		"replaced":           {[][]item{{passwd}, {file1("etc/passwd", "app:x:5:5::/:\n")}}, 5},
		"last of two":        {[][]item{{passwd, file1("etc/passwd", "app:x:5:5::/:\n")}}, 5},
		"deleted":            {[][]item{{passwd}, {file1("etc/.wh.passwd", "")}}, -1},
		"directory deleted":  {[][]item{{passwd}, {file1(".wh.etc", "")}}, -1},
		"opaque directory":   {[][]item{{passwd}, {dir("etc"), file1("etc/.wh..wh..opq", "")}}, -1},
		"symlink":            {[][]item{{file1("etc/real", testPasswd), symlink("etc/passwd", "real")}}, -1},
		"symlinked dir":      {[][]item{{file1("e/passwd", testPasswd), symlink("etc", "e")}}, -1},
		"hard link":          {[][]item{{file1("etc/real", testPasswd), hardlink("etc/passwd", "etc/real")}}, -1},
		"dangling":           {[][]item{{symlink("etc/passwd", "/proc/1/root/etc/passwd")}}, -1},
		"device":             {[][]item{{device("etc/passwd")}}, -1},
		"directory":          {[][]item{{dir("etc/passwd")}}, -1},
		"replaced by a link": {[][]item{{passwd}, {symlink("etc/passwd", "shadow"), file1("etc/shadow", testPasswd)}}, -1},
		"too large":          {[][]item{{file1("etc/passwd", testPasswd+strings.Repeat("#\n", maxAccounts/2))}}, -1},
	} {
		f := facts(t, tt.layers...)
		if u := f.User("app"); !isID(u.UID, tt.uid) {
			t.Errorf("%s: %+v, want %d", name, u, tt.uid)
		}
		if u := f.User("1000"); u.UID == nil || *u.UID != 1000 {
			t.Errorf("%s: a number does not depend on the files: %+v", name, u)
		}
	}
}

// FuzzResolveUser: never a panic, never a uid beside a problem, and no uid but 0
// for a name that some line gives uid 0.
func FuzzResolveUser(f *testing.F) {
	for _, tt := range userCases {
		f.Add(tt.spec, []byte(testPasswd), []byte(testGroup))
	}
	f.Fuzz(func(t *testing.T, spec string, passwd, group []byte) {
		u := resolveUser(spec, passwd, group, true, true)
		if (u.Problem == "") != (u.UID != nil) {
			t.Fatalf("%+v", u)
		}
		if u.UID == nil {
			if u.GID != nil {
				t.Fatalf("%+v", u)
			}
			return
		}
		if *u.UID < 0 || *u.UID > maxID || u.GID != nil && (*u.GID < 0 || *u.GID > maxID) {
			t.Fatalf("%+v", u)
		}
		name, _, _ := strings.Cut(spec, ":")
		if u.Numeric || *u.UID == 0 {
			return
		}
		for line := range strings.SplitSeq(string(passwd), "\n") {
			if fields := strings.Split(strings.TrimSpace(line), ":"); len(fields) > 2 && fields[0] == name && fields[2] == "0" {
				t.Fatalf("%q is uid %d, but %q", spec, *u.UID, line)
			}
		}
	})
}
