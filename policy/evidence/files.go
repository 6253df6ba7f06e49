package evidence

// MaxFiles is how many files each list of [Files] holds. The counts include those
// that are left out.
const MaxFiles = 10_000

// Files are the files of the merged image whose mode or attributes give rights to
// those who run or change them.
type Files struct {
	// SetID are regular files with the setuid or the setgid bit.
	SetID FileList `json:"setID"`
	// Capabilities are regular files with the attribute security.capability.
	Capabilities FileList `json:"capabilities"`
	// WorldWritable are regular files that every user may write, and directories
	// that every user may write and that have no sticky bit.
	WorldWritable FileList `json:"worldWritable"`
}

// FileList is a list of files, sorted by path. It holds at most [MaxFiles] of them.
type FileList struct {
	// Count is how many there are. It is larger than the list when the list is cut.
	Count int    `json:"count"`
	Files []File `json:"files,omitempty"`
}

// File is a file or a directory of the merged image.
type File struct {
	Path   string `json:"path"`
	Dir    bool   `json:"dir,omitempty"`
	Setuid bool   `json:"setuid,omitempty"`
	Setgid bool   `json:"setgid,omitempty"`
	// Capabilities are the names of the capabilities that the file gives to a
	// process, such as cap_net_raw, sorted by their number.
	Capabilities []string `json:"capabilities,omitempty"`
	// Layer is the diffID of the layer that the file comes from.
	Layer string `json:"layer,omitempty"`
}
