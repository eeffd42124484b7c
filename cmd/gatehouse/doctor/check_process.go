package doctor

import (
	"fmt"
	"math"
)

const (
	fewFiles   = 16384 // descriptors: 8,192 clients, and as many again for peers, files and a margin
	filesAlarm = 0.8   // share of them in use
)

func checkOpenFiles(f *facts) []Finding {
	most, used := f.daemon.metrics["process_max_fds"], f.daemon.metrics["process_open_fds"]
	found := fmt.Sprintf("the master may open %.0f files and has %.0f open", most, used)
	do := "raise LimitNOFILE in its unit (scripts/gatehouse.service has 65536) and restart it"
	switch {
	case most == 0:
		return notChecked("the master does not tell")
	case used > filesAlarm*most:
		return []Finding{problem(found, do)}
	case most < fewFiles:
		return []Finding{warning(found, do)}
	}
	return ok(found)
}

func checkMemory(f *facts) []Finding {
	used, known := f.daemon.metrics["process_resident_memory_bytes"]
	limit := f.daemon.memory
	if !known {
		return notChecked("the master does not tell")
	}
	soft := f.daemon.metrics["go_gc_gomemlimit_bytes"]
	softSet := soft > 0 && soft < math.MaxInt64/2
	found := fmt.Sprintf("the master uses %s", size(int64(used)))
	if limit == 0 {
		return ok(found + "; its control group sets no limit")
	}
	found += fmt.Sprintf(" of the %s that its control group allows", size(limit))
	switch {
	case used > 0.9*float64(limit):
		return []Finding{problem(found, "raise MemoryMax of its unit, or of the container: the kernel kills it at the limit")}
	case !softSet:
		return []Finding{warning(found+", and GOMEMLIMIT is not set", fmt.Sprintf("set GOMEMLIMIT to about %s, so that it collects before the kernel kills it", size(limit/10*9)))}
	case soft > float64(limit):
		return []Finding{warning(found+fmt.Sprintf(", but GOMEMLIMIT is %s", size(int64(soft))), fmt.Sprintf("set GOMEMLIMIT to about %s", size(limit/10*9)))}
	}
	return ok(found)
}

func checkCoreDumps(f *facts) []Finding {
	soft, known := f.daemon.limits["Max core file size"]
	switch {
	case !known:
		return notChecked("the limits of the master's process cannot be read")
	case soft != "0":
		return []Finding{problem("the master may dump core, which would hold every key", "restart it; set LimitCORE=0 in its unit")}
	}
	return ok("core dumps are off")
}

const (
	bigLog  = 4 << 30 // bytes of raft.db
	longLog = 200_000 // entries since the newest snapshot; a snapshot is due every some 20,000
)

func checkSnapshots(f *facts) []Finding {
	m := f.daemon.metrics
	last, known := m["gatehouse_disk_log_last_index"]
	if !known {
		return notChecked("the master does not tell")
	}
	since, file := last-m["gatehouse_disk_snapshot_index"], int64(m["gatehouse_disk_log_file_bytes"])
	found := fmt.Sprintf("%.0f log entries since the newest snapshot, in a file of %s", since, size(file))
	do := "look for errors about snapshots in the master's log, and at the room on its disk"
	if since > longLog || file > bigLog {
		return []Finding{warning(found, do)}
	}
	return ok(found)
}
