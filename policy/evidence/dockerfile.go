package evidence

import "strings"

// Dockerfile is what a Dockerfile builds.
type Dockerfile struct {
	File string `json:"file"`
	// Target is the stage that is built, "" for the last one.
	Target string `json:"target,omitempty"`
	// BuildArgs are the names of the arguments that the file declares and that were given
	// for the build. Their values may be secret.
	BuildArgs []string `json:"buildArgs,omitempty"`
	Stages    []Stage  `json:"stages"`
}

// Stage is one stage of a Dockerfile.
type Stage struct {
	Name string `json:"name,omitempty"` // of FROM ... AS NAME
	At   Place  `json:"at"`             // of FROM
	// From is the image that the stage begins with, nil for scratch and for another
	// stage, whose place FromStage is then.
	From      *ImageName `json:"from,omitempty"`
	FromStage *int       `json:"fromStage,omitempty"`
	Scratch   bool       `json:"scratch,omitempty"`
	Platform  string     `json:"platform,omitempty"` // of FROM --platform, as written
	// Copied are the images of COPY --from and RUN --mount=from, without stages.
	Copied []ImageName `json:"copied,omitempty"`
	// User is the last USER of the stage with its arguments replaced, "" when there
	// is none; UserProblem says why it is not known.
	User        string `json:"user,omitempty"`
	UserAt      Place  `json:"userAt,omitzero"`
	UserProblem string `json:"userProblem,omitempty"`
	Ports       []Port `json:"ports,omitempty"` // of EXPOSE
}

func (d *Dockerfile) uses() []ImageUse {
	var uses []ImageUse
	for i := range d.Stages {
		s := &d.Stages[i]
		if s.From != nil {
			uses = append(uses, ImageUse{ImageName: s.From, Stage: s})
		}
		for k := range s.Copied {
			uses = append(uses, ImageUse{ImageName: &s.Copied[k], Stage: s})
		}
	}
	return uses
}

// Built returns the stage that is built, nil when there is none.
func (d *Dockerfile) Built() *Stage {
	if d.Target == "" && len(d.Stages) > 0 {
		return &d.Stages[len(d.Stages)-1]
	}
	for i := len(d.Stages) - 1; i >= 0; i-- {
		if d.Target != "" && strings.EqualFold(d.Stages[i].Name, d.Target) {
			return &d.Stages[i]
		}
	}
	return nil
}

// Base returns the image or the scratch stage that a stage begins with, through the
// stages of the file in between.
func (d *Dockerfile) Base(s *Stage) *Stage {
	for range d.Stages {
		if s.FromStage == nil || *s.FromStage < 0 || *s.FromStage >= len(d.Stages) {
			break
		}
		s = &d.Stages[*s.FromStage]
	}
	return s
}
