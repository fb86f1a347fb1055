package codec

// A reason is written as one byte. Zero is no reason, reasonText says that the text follows, for a
// reason that this version of the format has no number for.
const reasonText = 0xff

// reasons has the reason of each number. It only ever grows, at its end.
var reasons = [...]string{
	0: "", 1: "correction", 2: "cycle_count_available", 3: "damaged", 4: "movement_created",
	5: "movement_updated", 6: "movement_received", 7: "movement_canceled", 8: "other",
	9: "promotion", 10: "quality_control", 11: "received", 12: "reservation_created",
	13: "reservation_updated", 14: "reservation_deleted", 15: "restock", 16: "safety_stock",
	17: "shrinkage", 18: "sale", 19: "cancellation", 20: "expiry", 21: "import", 22: "repair",
}

// reasonNumber is the way back. It is a switch because a map is several times slower.
func reasonNumber(reason string) byte {
	switch reason {
	case "":
		return 0
	case "correction":
		return 1
	case "cycle_count_available":
		return 2
	case "damaged":
		return 3
	case "movement_created":
		return 4
	case "movement_updated":
		return 5
	case "movement_received":
		return 6
	case "movement_canceled":
		return 7
	case "other":
		return 8
	case "promotion":
		return 9
	case "quality_control":
		return 10
	case "received":
		return 11
	case "reservation_created":
		return 12
	case "reservation_updated":
		return 13
	case "reservation_deleted":
		return 14
	case "restock":
		return 15
	case "safety_stock":
		return 16
	case "shrinkage":
		return 17
	case "sale":
		return 18
	case "cancellation":
		return 19
	case "expiry":
		return 20
	case "import":
		return 21
	case "repair":
		return 22
	}
	return reasonText
}

func appendReason(dst []byte, reason string) []byte {
	n := reasonNumber(reason)
	dst = append(dst, n)
	if n == reasonText {
		dst = appendText(dst, reason)
	}
	return dst
}

func (r *reader) reason() string {
	n := r.byte()
	if n == reasonText {
		return r.name()
	}
	if int(n) >= len(reasons) {
		r.fail("unknown reason")
		return ""
	}
	return reasons[n]
}
