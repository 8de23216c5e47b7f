// Package conformance drives a storage engine beside its reference model and tells every difference in a few lines.
package conformance
