package evidence

// Baseline is an image whose findings do not count as new. It is given with the
// question and is no fact about the image, so it is not saved with the evidence.
type Baseline struct {
	// Source says where it is from: the name of a file, or the reference of an image.
	Source string
	// SHA256 is the hash of the file that it was read from, in hex; "" for an image that
	// was scanned in this run.
	SHA256 string
	// SignedBy names the signers of the policy that sealed the file.
	SignedBy []string
	// IndexDigest and Digest of Image say which image it is.
	Image *Image
}
