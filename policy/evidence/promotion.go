package evidence

import "time"

// LabelVersion is the label that holds the version of what an image ships.
const LabelVersion = "org.opencontainers.image.version"

// Promotion is where an image is about to be copied, and what is there now.
type Promotion struct {
	Target string `json:"target"` // registry/repository
	Tags   []Tag  `json:"tags"`   // that are to be set
	// Rollback is why a tag may go back to a digest that it had before, "" when
	// that was not asked for.
	Rollback string `json:"rollback,omitempty"`
}

// Tag is a tag of a target and what it names before it is set.
type Tag struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"` // digest, "" for none
	// Platforms is what is known of the platforms of Before. It is nil when it was not
	// looked at, because the policy does not ask.
	Platforms []TagPlatform `json:"platforms,omitempty"`
	// Problem is why Before could not be looked at, "" when it could.
	Problem string `json:"problem,omitempty"`
	// Had is true when the records of the target say that the tag named the promoted
	// digest before.
	Had bool `json:"had,omitempty"`
}

// TagPlatform is what an image for one platform says of its age. Both are claims of its author.
type TagPlatform struct {
	Platform string     `json:"platform"`
	Version  string     `json:"version,omitempty"` // label org.opencontainers.image.version
	Created  *time.Time `json:"created,omitempty"`
}
