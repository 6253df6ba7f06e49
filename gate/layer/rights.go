package layer

import (
	"encoding/binary"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// rights are what the mode and the attributes of a file give to those who run or
// change it. Almost all files have none.
type rights uint8

const (
	rightSetuid rights = 1 << iota
	rightSetgid
	rightWrite      // every user may write it
	rightCapability // it has the attribute security.capability

	allRights = rightSetuid | rightSetgid | rightWrite | rightCapability
)

const (
	worldWrite      fs.FileMode = 0o002
	capabilityXattr             = "security.capability"
)

// mark notes that an entry has rights. Marks are a list of their own: an entry
// with rights is rare, and layers have a hundred thousand entries.
type mark struct {
	record uint32
	rights rights
	caps   uint64 // a bit for each capability
}

// rightsOf returns what an entry gives. The setuid bit of a directory means
// nothing on Linux, and its setgid bit only passes on the group. A directory that
// every user may write is harmless with the sticky bit, like /tmp. Symbolic links
// have no mode of their own.
//
// A hard link is an entry with a mode and with attributes: runtimes apply them to
// the file that it links to.
func rightsOf(e *Entry) (rights, uint64) {
	switch e.Type {
	case Dir:
		if e.Mode&worldWrite != 0 && e.Mode&fs.ModeSticky == 0 {
			return rightWrite, 0
		}
		return 0, 0
	case File, Hardlink:
	default:
		return 0, 0
	}
	r := rights(0)
	if e.Mode&fs.ModeSetuid != 0 {
		r |= rightSetuid
	}
	if e.Mode&fs.ModeSetgid != 0 {
		r |= rightSetgid
	}
	if e.Mode&worldWrite != 0 {
		r |= rightWrite
	}
	value, ok := e.Xattrs[capabilityXattr]
	if !ok || value == "" { // an empty value takes the attribute away
		return r, 0
	}
	return r | rightCapability, capabilitiesIn(value)
}

// capabilitiesIn reads struct vfs_cap_data of linux/capability.h: a revision, then
// 32 bits of permitted and 32 bits of inheritable capabilities, twice since
// revision 2. It returns 0 for a value of another form: the file has the attribute
// all the same.
func capabilitiesIn(value string) uint64 {
	const revision1, revision2, revision3 = 1, 2, 3
	b := []byte(value)
	if len(b) < 4 {
		return 0
	}
	words := map[byte]int{revision1: 1, revision2: 2, revision3: 2}[b[3]]
	if words == 0 || len(b) < 4+8*words {
		return 0
	}
	var caps uint64
	for i := range words {
		at := b[4+8*i:]
		caps |= uint64(binary.LittleEndian.Uint32(at)|binary.LittleEndian.Uint32(at[4:])) << (32 * i)
	}
	return caps
}

// capabilityNames are those of linux/capability.h, by number.
const capabilityNames = "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service " +
	"net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice " +
	"sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm " +
	"block_suspend audit_read perfmon bpf checkpoint_restore"

// namesOf lists capabilities by name. A number that has no name yet is its name.
func namesOf(caps uint64) []string {
	if caps == 0 { // nearly always
		return nil
	}
	known := strings.Fields(capabilityNames)
	var names []string
	for n := range 64 {
		switch {
		case caps&(1<<n) == 0:
		case n < len(known):
			names = append(names, "cap_"+known[n])
		default:
			names = append(names, "cap_"+strconv.Itoa(n))
		}
	}
	return names
}

// mark notes the rights of the entry that is recorded next.
func (r *Recorder) mark(e *Entry) {
	if rights, caps := rightsOf(e); rights != 0 {
		r.c.marks = append(r.c.marks, mark{uint32(len(r.c.records)), rights, caps})
	}
}

func (w *encoder) marks(marks []mark) {
	w.number(uint64(len(marks)))
	last := uint32(0)
	for _, m := range marks {
		w.number(uint64(m.record - last))
		w.byte(byte(m.rights))
		if m.rights&rightCapability != 0 {
			w.number(m.caps)
		}
		last = m.record
	}
}

func (d *decoder) marks(c *Contents) {
	at := uint64(0)
	for i := range d.count(2) {
		step := d.number(math.MaxUint32)
		if at += step; at >= uint64(len(c.records)) || i > 0 && step == 0 {
			d.fail(errOrder)
			return
		}
		m := d.mark(c.records[at].kind)
		m.record = uint32(at)
		c.marks = append(c.marks, m)
	}
	c.marks = slices.Clip(c.marks)
}

// mark reads the rights of an entry, which must be ones that its kind can have.
func (d *decoder) mark(kind Type) (m mark) {
	m.rights = rights(d.byte(byte(allRights)))
	switch {
	case m.rights == 0, kind == Dir && m.rights != rightWrite, kind != Dir && kind != File && kind != Hardlink:
		d.fail(errRecord)
	case m.rights&rightCapability != 0:
		m.caps = d.number(math.MaxUint64)
	}
	return m
}

// nextMark takes the mark of the entry, if it has one.
func (m *merge) nextMark() {
	m.mark = mark{}
	if len(m.marks) > 0 && int(m.marks[0].record) == m.next-1 {
		m.mark, m.marks = m.marks[0], m.marks[1:]
	}
}

// give adds the rights of the entry to a file. An entry for a hard link adds to
// those of the file: whether the mode of the link takes the place of the mode that
// the file has depends on the runtime.
func (m *merge) give(f *file) {
	if f == nil || m.mark.rights == 0 {
		return
	}
	f.rights |= m.mark.rights
	if m.mark.caps != 0 {
		m.t.caps[f] |= m.mark.caps
	}
}

// listDir notes a directory that every user may write.
func (v *view) listDir(n *node, path string) {
	if n.rights&rightWrite != 0 {
		v.note(&v.facts.Files.WorldWritable, evidence.File{Path: path, Dir: true, Layer: v.t.layers[n.layer]})
	}
}

// rights notes a file with special rights, under one of its names.
func (v *view) rights(f *file, path string) {
	all := &v.facts.Files
	entry := evidence.File{
		Path: path, Setuid: f.rights&rightSetuid != 0, Setgid: f.rights&rightSetgid != 0,
		Capabilities: namesOf(v.t.caps[f]), Layer: v.t.layers[f.layer],
	}
	if entry.Setuid || entry.Setgid {
		v.note(&all.SetID, entry)
	}
	if f.rights&rightCapability != 0 {
		v.note(&all.Capabilities, entry)
	}
	if f.rights&rightWrite != 0 {
		v.note(&all.WorldWritable, entry)
	}
}

// note counts a file, and keeps it while the list is short. Files come in the same
// order for the same image, so the same ones are kept.
func (v *view) note(to *evidence.FileList, f evidence.File) {
	if to.Count++; len(to.Files) < evidence.MaxFiles {
		to.Files = append(to.Files, f)
	}
}

func sortFiles(all *evidence.Files) {
	for _, list := range []*evidence.FileList{&all.SetID, &all.Capabilities, &all.WorldWritable} {
		slices.SortFunc(list.Files, func(a, b evidence.File) int { return strings.Compare(a.Path, b.Path) })
	}
}
