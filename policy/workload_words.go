package policy

import "regexp"

// kindForm is a kind of custom resources. Their group has a dot: groups without
// one, such as apps, belong to Kubernetes itself.
var kindForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+/[A-Z][A-Za-z0-9]*$`)

// templateForm is the path of a field.
var templateForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*$`)
