/* input: JSON that people give: on the command line, from a file (@PATH), from stdin (-). */
#pragma once
#include "client/ctl/session.h"
#include "proto/buf.h"

/* Appends what the argument stands for: stdin's whole content for "-", a file's for "@PATH", else itself.
 * `what` names it in complaints ("--payload"). */
enum exit_status input_take(const char *argument, const char *what, struct buf *into);
/* The same, and it must be JSON: where not, the complaint names the byte, counted from 1. Newlines, which can
 * only stand between its tokens, become blanks, since a request is one line. */
enum exit_status input_json(const char *argument, const char *what, struct buf *into);
/* A file's whole content; "-" is stdin. */
enum exit_status input_file(const char *path, struct buf *into);
/* Complains unless the text is JSON; newlines become blanks. `command` as complain_usage wants it. */
enum exit_status input_check(struct buf *text, const char *what);
/* Where what was typed for JSON is the name of a file, says how a file is read. */
void input_suggest_file(const char *argument);
/* What is wrong with a text that is not JSON, "byte 5: expected a value". */
void input_fault(struct span text, char *out, size_t size);
