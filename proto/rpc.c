#include "proto/rpc.h"

enum member { JSONRPC, METHOD, PARAMS, ID, RESULT, ERROR, MEMBER_COUNT };

static const char *const member_names[MEMBER_COUNT] = {
	[JSONRPC] = "jsonrpc", [METHOD] = "method", [PARAMS] = "params", [ID] = "id", [RESULT] = "result",
	[ERROR] = "error",
};

static void read_members(struct span object, const struct scan_outline *outline,
                         struct span values[MEMBER_COUNT])
{
	struct scan_iter it = scan_members_outlined(object, outline);
	struct span name, value;

	while (scan_next_member(&it, &name, &value)) {
		for (int i = 0; i < MEMBER_COUNT; i++) {
			if (scan_name_is(name, member_names[i])) {
				values[i] = value;
				break;
			}
		}
	}
}

static enum rpc_shape invalid(struct fault *fault, enum member member, const char *problem,
                              const char *expected)
{
	fault_set(fault, FAULT_INVALID_REQUEST, "%s %s; expected %s.", member_names[member], problem, expected);
	fault_field(fault, member_names[member]);
	fault_expected(fault, "%s", expected);
	return RPC_INVALID;
}

static bool is_id(struct span value)
{
	enum scan_kind kind = scan_kind(value);

	return kind == SCAN_STRING || kind == SCAN_NUMBER || kind == SCAN_NULL;
}

static bool is_version(struct span value)
{
	return value.len >= 2 && value.at[0] == '"' &&
	       scan_name_is((struct span){value.at + 1, value.len - 2}, "2.0");
}

static bool is_null(struct span value)
{
	return value.at && scan_kind(value) == SCAN_NULL;
}

static enum rpc_shape read_reply(struct span values[MEMBER_COUNT], struct rpc_message *m, struct fault *fault)
{
	/* there are servers that send "error": null beside a result */
	struct span error = is_null(values[ERROR]) ? (struct span){0} : values[ERROR];

	if (!values[RESULT].at && !error.at)
		return invalid(fault, METHOD, "is missing", "a string");
	if (error.at && scan_kind(error) != SCAN_OBJECT)
		return invalid(fault, ERROR, "is no object", "an object with code and message");
	if (error.at && values[RESULT].at && !is_null(values[RESULT]))
		return invalid(fault, RESULT, "stands beside an error", "one of the two");
	m->error = error;
	m->result = error.at ? (struct span){0} : values[RESULT];
	return RPC_REPLY;
}

static enum rpc_shape read_call(struct span values[MEMBER_COUNT], struct rpc_message *m, struct fault *fault)
{
	struct span method = values[METHOD], params = values[PARAMS];

	if (scan_kind(method) != SCAN_STRING)
		return invalid(fault, METHOD, "is not a string", "a string");
	m->method = (struct span){method.at + 1, method.len - 2};
	if (params.at && !is_null(params)) {
		enum scan_kind kind = scan_kind(params);
		if (kind != SCAN_OBJECT && kind != SCAN_ARRAY)
			return invalid(fault, PARAMS, "is neither an object nor an array", "an object or an array");
		m->params = params;
	}
	return m->id.at ? RPC_CALL : RPC_NOTIFICATION;
}

enum rpc_shape rpc_read(struct span object, const struct scan_outline *outline, struct rpc_message *m,
                        struct fault *fault)
{
	struct span values[MEMBER_COUNT] = {{0}};

	*m = (struct rpc_message){0};
	if (scan_kind(object) != SCAN_OBJECT) {
		fault_set(fault, FAULT_INVALID_REQUEST, "A request is a JSON object, a batch an array of them.");
		fault_expected(fault, "an object with jsonrpc, method, params and id");
		return RPC_INVALID;
	}
	read_members(object, outline, values);
	if (values[ID].at && !is_id(values[ID]))
		return invalid(fault, ID, "cannot be echoed", "a string, a number or null");
	m->id = values[ID];
	if (!values[JSONRPC].at)
		return invalid(fault, JSONRPC, "is missing", "the string \"2.0\"");
	if (!is_version(values[JSONRPC]))
		return invalid(fault, JSONRPC, "is not a version that is spoken here", "the string \"2.0\"");
	return values[METHOD].at ? read_call(values, m, fault) : read_reply(values, m, fault);
}

static void put_id(struct buf *out, struct span id)
{
	buf_text(out, ",\"id\":");
	buf_span(out, id.at ? id : SPAN("null"));
	buf_char(out, '}');
}

void rpc_begin_result(struct buf *out)
{
	buf_text(out, "{\"jsonrpc\":\"2.0\",\"result\":");
}

void rpc_end(struct buf *out, struct span id)
{
	put_id(out, id);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
	if (!*text)
		return;
	buf_text(out, name);
	buf_string(out, span_of(text));
}

void rpc_error(struct buf *out, struct span id, const struct fault *fault)
{
	buf_text(out, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":");
	buf_int(out, fault_number(fault->code));
	put_text(out, ",\"message\":", fault->message[0] ? fault->message : fault_text(fault->code));
	put_text(out, ",\"data\":{\"kind\":", fault_kind(fault->code));
	put_text(out, ",\"field\":", fault->field);
	put_text(out, ",\"expected\":", fault->expected);
	put_text(out, ",\"hint\":", fault->hint);
	if (fault->removed >= 0) {
		buf_text(out, ",\"removed\":");
		buf_int(out, fault->removed);
	}
	buf_text(out, "}}");
	put_id(out, id);
}

void rpc_request(struct buf *out, const char *method, struct span params, int64_t id)
{
	buf_text(out, "{\"jsonrpc\":\"2.0\",\"method\":");
	buf_string(out, span_of(method));
	if (params.at) {
		buf_text(out, ",\"params\":");
		buf_span(out, params);
	}
	if (id >= 0) {
		buf_text(out, ",\"id\":");
		buf_int(out, id);
	}
	buf_text(out, "}\n");
}
