package declare

import "encoding/json"

// The bounds of one request. They are far below what a master takes (2,000 changes, 1 MiB): a smaller entry of the log delays the
// others less, and a progress bar moves more often.
const (
	batchSteps = 1000
	batchBytes = 256 << 10
)

// Batches cuts the steps into requests, in their order. Each is all or nothing.
func (p *Plan) Batches() [][]Step {
	var batches [][]Step
	from, size := 0, 0
	for i, s := range p.Steps {
		text, err := json.Marshal(s.Change)
		if err != nil {
			panic("encode a change: " + err.Error()) // texts only
		}
		if i > from && (i-from == batchSteps || size+len(text) > batchBytes) {
			batches = append(batches, p.Steps[from:i])
			from, size = i, 0
		}
		size += len(text) + 1
	}
	if from < len(p.Steps) {
		batches = append(batches, p.Steps[from:])
	}
	return batches
}

// ChangesOf are the changes of some steps.
func ChangesOf(steps []Step) []Change {
	changes := make([]Change, len(steps))
	for i, s := range steps {
		changes[i] = s.Change
	}
	return changes
}
