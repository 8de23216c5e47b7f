package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// ReportSchema is the number of the report's layout. Names are stable: a later schema adds fields, it never renames one.
const ReportSchema = 1

// Report is what a run leaves behind, as one JSON object. A field whose feature does not exist, or was not used, is absent and
// never a made-up zero: that is what the pointers are for. Seeds and digests are strings, for readers whose numbers end at 2^53.
type Report struct {
	Schema           int      `json:"schema"`
	Version          string   `json:"version"`
	Commit           string   `json:"commit"`
	BinarySHA256     string   `json:"binary_sha256,omitempty"`
	GeneratorVersion int      `json:"generator_version"`
	Seed             string   `json:"seed"`
	Shard            string   `json:"shard"`
	Profile          string   `json:"profile"`
	Verdict          Verdict  `json:"verdict"`
	Reasons          []string `json:"reasons"`

	Sequences   uint64        `json:"sequences"`
	Operations  uint64        `json:"operations"`
	Crashes     *uint64       `json:"crashes,omitempty"`
	CrashStates *uint64       `json:"crash_states,omitempty"`
	Crash       *CrashFigures `json:"crash,omitempty"`
	Faults      *uint64       `json:"faults,omitempty"`
	FaultLedger *FaultLedger  `json:"fault_ledger,omitempty"`

	FaultCells     map[string]uint64 `json:"fault_cells,omitempty"`      // hits by fault/phase
	FaultCellsVoid []string          `json:"fault_cells_void,omitempty"` // phases that made no request such a fault could hit

	Schedules  *uint64  `json:"schedules,omitempty"`
	Strategies []string `json:"strategies,omitempty"`

	ElapsedSeconds         float64 `json:"elapsed_seconds"`
	CPUSeconds             float64 `json:"cpu_seconds"`
	SequencesPerCPUSecond  float64 `json:"sequences_per_cpu_second"`
	OperationsPerCPUSecond float64 `json:"operations_per_cpu_second"`
	HonestWork

	TraceDigest string  `json:"trace_digest"`
	Blocks      []Block `json:"blocks"`

	Probes           map[string]ProbeReport `json:"probes,omitempty"`
	Cells            map[string]uint64      `json:"cells,omitempty"` // operations by kind/state, see CellState
	Canary           *CanaryReport          `json:"canary,omitempty"`
	DeterminismAudit *AuditReport           `json:"determinism_audit,omitempty"`
	CorpusReplayed   uint64                 `json:"corpus_replayed"`
	Failures         []FailureReport        `json:"failures"`
	Bugs             []BugReport            `json:"bugs,omitempty"`

	ReportSHA256 string `json:"report_sha256,omitempty"`
}

// HonestWork are the figures without which a rate means nothing: many short, idle sequences are quick. A stock profile has at
// least 60 operations a sequence in the mean (40 with crashes or faults), at most 15 % without effect, at least 20 % reads that
// return bytes, and live data above the cache in at least half of its sequences.
type HonestWork struct {
	MeanOperations  float64 `json:"mean_operations"`
	NoEffectShare   float64 `json:"no_effect_share"`             // of operations
	ReadShare       float64 `json:"read_share"`                  // of operations: reads that returned bytes
	AboveCacheShare float64 `json:"above_cache_share,omitempty"` // of sequences; absent as long as there is no cache
}

// Honest returns the honest-work figures of s.
func (s *Stats) Honest() HonestWork {
	return HonestWork{
		MeanOperations:  ratio(s.Operations, s.Sequences),
		NoEffectShare:   ratio(s.NoEffect, s.Operations),
		ReadShare:       ratio(s.Reads, s.Operations),
		AboveCacheShare: ratio(s.AboveCache, s.Sequences),
	}
}

func ratio(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Block is the digest of the sequences of one stretch of sequence numbers, so that two runs which differ can be told apart
// without running all of it again.
type Block struct {
	First  uint64 `json:"first"`  // sequence number, a multiple of BlockSequences
	Count  uint64 `json:"count"`  // sequences of this stretch that were run
	Digest string `json:"digest"` // sum of their trace hashes modulo 2^64, 16 hex digits
}

// BlockSequences is how many sequence numbers a Block spans.
const BlockSequences = 1 << 16

// CrashFigures says how thoroughly crash states were explored.
type CrashFigures struct {
	Recoveries      uint64  `json:"recoveries"`
	InBounds        uint64  `json:"in_bounds"`
	Certified       uint64  `json:"certified"`
	SampledShareMin float64 `json:"sampled_share_min"`
	PendingP50      uint64  `json:"pending_p50"`
	PendingMax      uint64  `json:"pending_max"`
}

// FaultLedger says what became of each injected fault; one without an entry is Missing, and a failure.
type FaultLedger struct {
	Masked      uint64 `json:"masked"`
	Reported    uint64 `json:"reported"`
	Repaired    uint64 `json:"repaired"`
	Unreachable uint64 `json:"unreachable"`
	Missing     uint64 `json:"missing"`
	Excused     uint64 `json:"excused"` // recoveries that lost what a declared limit lets them lose
}

// CanaryReport says whether the alarm rings: Ran sequences were run on a store that lies, in Caught of them the lie was seen.
type CanaryReport struct {
	Ran    uint64 `json:"ran"`
	Caught uint64 `json:"caught"`
}

// AuditReport counts the sequences that were run a second time, on another worker, and those whose trace then differed.
type AuditReport struct {
	Checked   uint64 `json:"checked"`
	Differing uint64 `json:"differing"`
}

// FailureReport is one broken property, after its occurrences were gathered by signature.
type FailureReport struct {
	Property           string  `json:"property"`
	Signature          string  `json:"signature"`
	SequenceNumber     *uint64 `json:"sequence_number,omitempty"` // the lowest that showed it; absent for a corpus file
	Occurrences        uint64  `json:"occurrences"`
	Class              string  `json:"class,omitempty"` // "flaky" when not every repetition showed it
	Reproduced         string  `json:"reproduced"`      // "5/5"; of the minimized sequence if it is flaky
	Ops                int     `json:"ops"`
	MinimizedOps       int     `json:"minimized_ops"`
	MinimizedBytes     uint64  `json:"minimized_bytes"` // bytes of values the minimized sequence puts
	MinimizeRuns       int     `json:"minimize_runs"`
	MinimizeCPUSeconds float64 `json:"minimize_cpu_seconds"`
	MinimizeProof      int     `json:"minimize_proof,omitempty"` // simpler candidates tried in vain; absent when not shown to be minimal
	File               string  `json:"file,omitempty"`
	Message            string  `json:"message"`
}

// BugReport is the outcome of one seeded bug. Medians are over the seeds; Found says that the median seed found it within its
// budget and that a property the bug names did.
type BugReport struct {
	ID               string  `json:"id"`
	Issue            int     `json:"issue,omitempty"`
	Property         string  `json:"property"`
	Found            bool    `json:"found"`
	Seeds            int     `json:"seeds"`
	SequencesMedian  uint64  `json:"sequences_median"`
	CPUSecondsMedian float64 `json:"cpu_seconds_median"`
	MinimizedOps     int     `json:"minimized_ops"`
	MinimizeRuns     int     `json:"minimize_runs"`
	Reason           string  `json:"reason,omitempty"` // why it does not count as found
}

// Seal puts the report's own SHA-256 into it and returns the JSON to write: indented, one trailing newline.
func (r *Report) Seal() ([]byte, error) {
	r.ReportSHA256 = ""
	plain, err := encodeJSON(r)
	if err != nil {
		return nil, err
	}
	if r.ReportSHA256, err = reportSum(plain); err != nil {
		return nil, err
	}
	sealed, err := encodeJSON(r)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, sealed, "", "  "); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ErrReportChanged is returned when a report's sum is not that of its contents.
var ErrReportChanged = errors.New("the report's contents do not match its report_sha256")

// CheckSeal reports whether data is a report that still says what was sealed. It knows no field but report_sha256, so it
// checks reports of any version.
func CheckSeal(data []byte) error {
	var have struct {
		Sum string `json:"report_sha256"`
	}
	if err := json.Unmarshal(data, &have); err != nil {
		return err
	}
	want, err := reportSum(data)
	if err != nil {
		return err
	}
	if have.Sum != want {
		return fmt.Errorf("%w: %q, contents give %s", ErrReportChanged, have.Sum, want)
	}
	return nil
}

// reportSum is the SHA-256 of the canonical JSON of a report without its report_sha256: keys sorted, no white space, numbers
// as they stand, no escapes but those JSON demands.
func reportSum(data []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return "", err
	}
	delete(fields, "report_sha256")
	canonical, err := encodeJSON(fields)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(bytes.TrimSuffix(canonical, []byte("\n")))
	return hex.EncodeToString(sum[:]), nil
}

// encodeJSON is json.Marshal without the escapes for HTML, and with a trailing newline.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
