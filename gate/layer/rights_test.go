package layer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// rawSocket is the attribute that setcap cap_net_raw+ep writes.
const rawSocket = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func capabilities(value string) map[string]string {
	return map[string]string{"SCHILY.xattr.security.capability": value}
}

func mode(name string, mode int64) item    { return item{name: name, body: "x", mode: mode} }
func modeDir(name string, mode int64) item { return item{name: name + "/", kind: '5', mode: mode} }

func TestRights(t *testing.T) {
	su := mode("usr/bin/su", 0o4755)
	ping := item{name: "bin/ping", mode: 0o755, xattr: capabilities(rawSocket)}
	for name, tt := range map[string]struct {
		layers [][]item
		want   string // setid | capabilities | world-writable
	}{
		"none":             {[][]item{{mode("a", 0o755), modeDir("tmp", 0o1777), symlink("l", "a"), device("null")}}, "||"},
		"each":             {[][]item{{su, mode("usr/bin/wall", 0o2755), ping, mode("w", 0o666), modeDir("d", 0o777)}}, "usr/bin/su u, usr/bin/wall g|bin/ping cap_net_raw|d/, w"},
		"both bits":        {[][]item{{mode("a", 0o6755)}}, "a ug||"},
		"of a directory":   {[][]item{{modeDir("a", 0o6755)}}, "||"},
		"the root":         {[][]item{{modeDir(".", 0o777)}}, "||./"},
		"root closed":      {[][]item{{modeDir(".", 0o777)}, {modeDir(".", 0o755)}}, "||"},
		"above":            {[][]item{{mode("a", 0o755)}, {mode("a", 0o4755)}}, "a u||"},
		"deleted":          {[][]item{{su}, {file1("usr/bin/.wh.su", "")}}, "||"},
		"its directory":    {[][]item{{su}, {file1("usr/.wh.bin", "")}}, "||"},
		"opaque":           {[][]item{{su}, {dir("usr/bin"), file1("usr/bin/.wh..wh..opq", "")}}, "||"},
		"opaque root":      {[][]item{{su}, {file1(".wh..wh..opq", "")}}, "||"},
		"opaque and anew":  {[][]item{{su}, {file1("usr/bin/.wh..wh..opq", ""), su}}, "usr/bin/su u||"},
		"replaced":         {[][]item{{su}, {mode("usr/bin/su", 0o755)}}, "||"},
		"replaced by dir":  {[][]item{{su}, {dir("usr/bin/su")}}, "||"},
		"replaced by link": {[][]item{{su}, {symlink("usr/bin/su", "x")}}, "||"},
		"chmod away":       {[][]item{{su, ping}, {mode("usr/bin/su", 0o755), {name: "bin/ping", mode: 0o755}}}, "||"},
		"dir closed":       {[][]item{{modeDir("d", 0o777)}, {modeDir("d", 0o755)}}, "||"},
		"dir opened":       {[][]item{{modeDir("d", 0o755)}, {modeDir("d", 0o777)}}, "||d/"},
		"dir anew":         {[][]item{{modeDir("d", 0o777)}, {file1(".wh.d", "")}, {mode("d/x", 0o644)}}, "||"},
		"twice":            {[][]item{{mode("a", 0o4755), mode("a", 0o755)}}, "||"},
		"twice, other way": {[][]item{{mode("a", 0o755), mode("a", 0o4755)}}, "a u||"},
		"hard link":        {[][]item{{su, item{name: "su2", kind: '1', link: "usr/bin/su", mode: 0o4755}}}, "su2 u, usr/bin/su u||"},
		"by a hard link":   {[][]item{{mode("a", 0o755), item{name: "b", kind: '1', link: "a", mode: 0o4755}}}, "a u, b u||"},
		"by the last link": {[][]item{{mode("a", 0o755), mode("z", 0o755), hardlink("b", "a"), item{name: "c", kind: '1', link: "b", mode: 0o4755}}}, "a u, b u, c u||"},
		"by a link above":  {[][]item{{mode("a", 0o755)}, {item{name: "b", kind: '1', link: "a", mode: 0o755, xattr: capabilities(rawSocket)}}}, "|a cap_net_raw, b cap_net_raw|"},
		"first name gone":  {[][]item{{su, hardlink("b", "usr/bin/su")}, {file1("usr/.wh.bin", "")}}, "b u||"},
		"behind a link":    {[][]item{{dir("usr/bin"), symlink("bin", "usr/bin"), mode("bin/su", 0o4755)}}, "usr/bin/su u||"},
		"dots":             {[][]item{{mode("a/../usr/bin/su", 0o4755), mode("./b", 0o2755)}}, "b g, usr/bin/su u||"},
		"other attribute":  {[][]item{{item{name: "a", xattr: capabilities("x")}}}, "|a|"},
		"attribute off":    {[][]item{{item{name: "a", xattr: map[string]string{"SCHILY.xattr.user.x": "y"}}}}, "||"},
		"many":             {[][]item{{item{name: "a", xattr: capabilities("\x01\x00\x00\x03\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00")}}}, "|a cap_chown 64|"},
		"old form":         {[][]item{{item{name: "a", xattr: capabilities("\x00\x00\x00\x01\x00\x00\x00\x00\x02\x00\x00\x00")}}}, "|a cap_dac_override|"},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts(t, tt.layers...).Files
			if got := listed(f.SetID) + "|" + listed(f.Capabilities) + "|" + listed(f.WorldWritable); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// listed writes a list of files in short.
func listed(l evidence.FileList) string {
	var out []string
	for _, f := range l.Files {
		text := f.Path
		if f.Dir {
			text += "/"
		}
		marks := ""
		if f.Setuid {
			marks += "u"
		}
		if f.Setgid {
			marks += "g"
		}
		if n := len(f.Capabilities); n > 0 {
			marks += f.Capabilities[0]
			if n > 1 {
				marks += fmt.Sprintf(" %d", n)
			}
		}
		out = append(out, strings.TrimSpace(text+" "+marks))
	}
	return strings.Join(out, ", ")
}

// TestRightsAreBounded: the list is cut, the count is not, and the same image has
// the same list.
func TestRightsAreBounded(t *testing.T) {
	items := make([]item, 0, 100_000)
	for i := range cap(items) {
		items = append(items, mode(fmt.Sprintf("opt/%d/%d", i%300, i), 0o4755))
	}
	first := facts(t, items).Files.SetID
	if first.Count != len(items) || len(first.Files) != evidence.MaxFiles {
		t.Fatalf("%d files in the list, %d counted", len(first.Files), first.Count)
	}
	slices.Reverse(items)
	second := facts(t, items).Files.SetID
	for i := range first.Files {
		if first.Files[i].Path != second.Files[i].Path {
			t.Fatalf("%s and %s, for the same files", first.Files[i].Path, second.Files[i].Path)
		}
	}
}

// TestRightsOfLinksReadAgain: a file that is handed over under the name of a link
// has the rights of both.
func TestRightsOfLinksReadAgain(t *testing.T) {
	file := &Entry{Name: "store/1", Type: File, Mode: 0o755}
	link := &Entry{Name: "bin/ping", Type: Hardlink, Mode: 0o755 | worldWrite, Xattrs: map[string]string{capabilityXattr: rawSocket}}
	named := file.Named(link)
	if r, caps := rightsOf(named); named.Name != "bin/ping" || r != rightWrite|rightCapability || caps != 1<<13 || file.Xattrs != nil {
		t.Errorf("%+v has %b %b", named, r, caps)
	}
}

func TestMarksThatNoLayerHas(t *testing.T) {
	base := Contents{records: []record{{kind: File, rest: 1}, {kind: Dir, shared: 0, rest: 1}, {kind: Symlink, rest: 1, link: 1}}, text: "abcd"}
	for name, marks := range map[string][]mark{
		"no rights":          {{record: 0}},
		"unknown rights":     {{record: 0, rights: allRights + 1}},
		"setuid directory":   {{record: 1, rights: rightSetuid}},
		"of a symbolic link": {{record: 2, rights: rightSetuid}},
		"of nothing":         {{record: 3, rights: rightSetuid}},
		"twice":              {{record: 0, rights: rightSetuid}, {record: 0, rights: rightSetgid}},
	} {
		c := base
		c.stats.Entries, c.marks = len(c.records), marks
		data, err := c.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseContents(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
