package evidence

import "time"

// Earlier is evidence about an image that an earlier run collected and sealed. It is
// given with the question and is no fact about the image, so it is not saved with the
// evidence.
type Earlier struct {
	// Source says where it is from: the name of a file.
	Source string
	// SHA256 is the hash of the file, in hex.
	SHA256 string
	// Time is when the run began that collected it, as its seal says.
	Time time.Time
	// SignedBy names the signers of the policy that sealed it.
	SignedBy []string
	// Image needs no more than its name, its platform and its findings.
	Image *Image
}
