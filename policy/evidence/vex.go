package evidence

// VEXDocument is a VEX document that the policy named when an image was judged. It is
// kept with the evidence, so that this can be judged again without the file.
type VEXDocument struct {
	Path    string `json:"path"`   // as the policy spells it
	SHA256  string `json:"sha256"` // of the content, hex
	Content string `json:"content"`
	// Signers are those whose signature over the file was verified. Whether they are
	// trusted is for a policy to say.
	Signers []Signer `json:"signers,omitempty"`
}
