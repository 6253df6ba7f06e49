package policy

const (
	schemaFile           = "imagegate.schema.json"
	builtIn              = "built-in default"
	endsSoonDays         = 14
	maxDetails           = 20
	futureToleranceHours = 24
)

// The words of the policy language for a level.
const (
	levelFail   = "fail"
	levelWarn   = "warn"
	levelOff    = "off"
	levelIgnore = "ignore"
)

// unlimitedMax is the value of a limit that wordNoLimit lifts.
const (
	wordNoLimit  = "unlimited"
	unlimitedMax = -1
)

const noConfig = "the image config was not read"
