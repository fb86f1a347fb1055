package gateway

import "github.com/skua-stock/skua/engine"

// members is a set of members of an object.
type members uint32

const (
	memberOp members = 1 << iota
	memberKey
	memberSKU
	memberID
	memberIfMatch
	memberLocation
	memberQuantity
	memberDelta
	memberState
	memberChangeFrom
	memberLines
	memberTTL
	memberOwner
	memberReason
	memberReference
	memberActor
)

const (
	memberCarried = memberReason | memberReference | memberActor
	// memberEnvelope is what a message has beside the fields of the body.
	memberEnvelope = memberOp | memberKey | memberSKU | memberID | memberIfMatch
	lineRequired   = memberSKU | memberQuantity
)

// memberNamed returns the member of a name, or 0 for a name that plain does not know.
func memberNamed(name []byte) members {
	switch string(name) {
	case "op":
		return memberOp
	case "idempotency_key":
		return memberKey
	case "sku":
		return memberSKU
	case "id":
		return memberID
	case "if_match":
		return memberIfMatch
	case "location":
		return memberLocation
	case "quantity":
		return memberQuantity
	case "delta":
		return memberDelta
	case "state":
		return memberState
	case "change_from_quantity":
		return memberChangeFrom
	case "lines":
		return memberLines
	case "ttl_ms":
		return memberTTL
	case "owner":
		return memberOwner
	case "reason":
		return memberReason
	case "reference_document_uri":
		return memberReference
	case "actor":
		return memberActor
	}
	return 0
}

// plainShape is which members a request may have and must have. An operation without a shape is
// read by the strict decoder alone.
type plainShape struct{ allowed, required members }

const (
	plainMutation = memberOp | memberKey | memberCarried
	plainStep     = plainMutation | memberID
	plainLevel    = plainMutation | memberSKU | memberIfMatch | memberLocation
)

var plainShapes = [...]plainShape{
	engine.OpReceive: {plainLevel | memberQuantity, memberSKU | memberLocation | memberQuantity},
	engine.OpRestock: {plainLevel | memberQuantity, memberSKU | memberLocation | memberQuantity},
	engine.OpAdjust: {
		plainLevel | memberDelta | memberState | memberChangeFrom, memberSKU | memberLocation | memberDelta,
	},
	engine.OpSet: {
		plainLevel | memberQuantity | memberState | memberChangeFrom, memberSKU | memberLocation | memberQuantity,
	},
	engine.OpReserve:        {plainMutation | memberLines | memberTTL | memberOwner, memberLines},
	engine.OpCommit:         {plainMutation | memberLines | memberOwner, memberLines},
	engine.OpConfirm:        {plainStep | memberLines, memberID},
	engine.OpFulfill:        {plainStep | memberLines, memberID},
	engine.OpCancel:         {plainStep | memberLines, memberID},
	engine.OpRelease:        {plainStep, memberID},
	engine.OpExtend:         {plainStep | memberTTL, memberID},
	engine.OpGetItem:        {memberOp | memberSKU, memberSKU},
	engine.OpGetReservation: {memberOp | memberID, memberID},
}

// body is the shape of an HTTP body, which has no envelope.
func (s plainShape) body() plainShape {
	if s.allowed&memberKey == 0 {
		return plainShape{} // What only reads has no body.
	}
	return plainShape{s.allowed &^ memberEnvelope, s.required &^ memberEnvelope}
}
