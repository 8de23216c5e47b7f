// Package conc is the only place the engine gets concurrency and time from.
package conc
