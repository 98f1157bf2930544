/* The envelope: what rpc_read makes of a request or a reply, with an outline and without one, against jansson's tree of
 * it; and the id, echoed in a reply that any reader of JSON takes. */
#include "proto/rpc.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tree.h"

static bool is_version(json_t *value)
{
	return json_is_string(value) && json_string_length(value) == 3 && strcmp(json_string_value(value), "2.0") == 0;
}

static bool may_be_id(json_t *id)
{
	return !id || json_is_string(id) || json_is_number(id) || json_is_null(id);
}

static enum rpc_shape reply_shape(json_t *result, json_t *error)
{
	if (json_is_null(error))
		error = NULL;
	if (error ? !json_is_object(error) || (result && !json_is_null(result)) : !result)
		return RPC_INVALID;
	return RPC_REPLY;
}

static enum rpc_shape shape_of(json_t *tree)
{
	json_t *method = json_object_get(tree, "method"), *params = json_object_get(tree, "params");

	if (!json_is_object(tree) || !may_be_id(json_object_get(tree, "id")) || !is_version(json_object_get(tree, "jsonrpc")))
		return RPC_INVALID;
	if (!method)
		return reply_shape(json_object_get(tree, "result"), json_object_get(tree, "error"));
	if (!json_is_string(method) || (params && !json_is_object(params) && !json_is_array(params) && !json_is_null(params)))
		return RPC_INVALID;
	return json_object_get(tree, "id") ? RPC_CALL : RPC_NOTIFICATION;
}

/* `raw` is the member's own text, absent where there is none or where it counts as none. */
static void same_value(struct span raw, json_t *value)
{
	struct buf got = {0}, wanted = {0};

	FUZZ_EXPECT((raw.at != NULL) == (value != NULL));
	if (!value)
		return;
	scan_canonical(&got, raw);
	tree_write(&wanted, value);
	fuzz_same(buf_as_span(&got), buf_as_span(&wanted), "a member");
	buf_free(&got);
	buf_free(&wanted);
}

static json_t *unless_null(json_t *value)
{
	return json_is_null(value) ? NULL : value;
}

static void same_message(enum rpc_shape shape, const struct rpc_message *m, json_t *tree)
{
	if (shape == RPC_INVALID) {
		FUZZ_EXPECT(!m->method.at || !m->params.at);
		return;
	}
	same_value(m->id, json_object_get(tree, "id"));
	if (shape == RPC_REPLY) {
		same_value(m->error, unless_null(json_object_get(tree, "error")));
		same_value(m->result, m->error.at ? NULL : json_object_get(tree, "result"));
		return;
	}
	same_value(m->params, unless_null(json_object_get(tree, "params")));
	json_t *method = json_object_get(tree, "method");
	if (!memchr(m->method.at, '\\', m->method.len))
		fuzz_same(m->method, (struct span){json_string_value(method), json_string_length(method)}, "the method");
}

static void same_span(struct span a, struct span b)
{
	FUZZ_EXPECT(a.at == b.at && a.len == b.len);
}

/* An id of any size comes back byte for byte. */
static void echoes(struct span id, const struct fault *fault)
{
	struct buf out = {0};
	struct scan_report report;
	struct rpc_message m;
	struct fault refused;

	for (int failed = 0; failed < 2; failed++) {
		out.len = 0;
		if (failed) {
			rpc_error(&out, id, fault);
		} else {
			rpc_begin_result(&out);
			buf_text(&out, "{}");
			rpc_end(&out, id);
		}
		FUZZ_EXPECT(scan_check(buf_as_span(&out), SCAN_DEPTH_WIRE, &report) == SCAN_OK && report.used == out.len);
		FUZZ_EXPECT(!memchr(out.at, '\n', out.len) || (id.at && memchr(id.at, '\n', id.len)));
		FUZZ_EXPECT(rpc_read(buf_as_span(&out), NULL, &m, &refused) == RPC_REPLY);
		fuzz_same(m.id, id.at ? id : SPAN("null"), "the id echoed");
		FUZZ_EXPECT(failed ? m.error.at != NULL : m.result.at != NULL);
	}
	buf_free(&out);
}

static void check(struct span object, const struct scan_outline *outline, json_t *tree)
{
	struct rpc_message m, plain;
	struct fault fault = {0}, plain_fault = {0};
	enum rpc_shape shape = rpc_read(object, outline, &m, &fault);

	FUZZ_EXPECT(rpc_read(object, NULL, &plain, &plain_fault) == shape);
	same_span(m.id, plain.id);
	same_span(m.method, plain.method);
	same_span(m.params, plain.params);
	same_span(m.result, plain.result);
	same_span(m.error, plain.error);
	if (shape == RPC_INVALID)
		FUZZ_EXPECT(strcmp(fault.message, plain_fault.message) == 0 && fault.message[0]);
	else
		fault_set(&fault, FAULT_NOT_FOUND, NULL);
	if (tree) {
		if (shape_of(tree) != shape)
			FUZZ_FAIL("shape %d, wanted %d: %.*s", shape, shape_of(tree), (int)object.len, object.at);
		same_message(shape, &m, tree);
	}
	echoes(m.id, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct scan_outline outline;
	struct span text = fuzz_copy((struct span){(const char *)bytes, size});
	struct scan_report report;

	if (scan_check_outlined(text, SCAN_DEPTH_WIRE, &report, &outline) == SCAN_OK) {
		size_t space = 0;
		while (strchr(" \t\r\n", text.at[space]))
			space++;
		json_t *tree = tree_read(text);
		check((struct span){text.at + space, report.used - space}, &outline, tree);
		json_decref(tree);
	}
	free((char *)text.at);
	return 0;
}
