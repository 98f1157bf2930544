/* value: what a person typed for a flag, as the JSON that a method's parameter takes.
 *
 * Judged by the spec's row before anything is sent, in its words and by the flag's name. Strings are taken as
 * they are; several with commas between them, where several are allowed; times as age.h reads them; objects
 * as JSON, as
 * @FILE, - (stdin), or member by member: key=text, key:=JSON. */
#pragma once
#include "client/ctl/flags.h"
#include "client/ctl/screen.h"
#include "client/ctl/session.h"

/* Appends the JSON of all that `g` says for a parameter, or for one of its fields where `field` is not NULL.
 * Nothing was said: nothing is appended. Complaints name the `command`. */
enum exit_status value_add(struct buf *out, const struct given *g, const struct spec_param *param,
                           const struct spec_field *field, const struct screen *screen, const char *command);

/* One member, key=text or key:=JSON, set in an object (object.h). `what` names it in complaints. */
enum exit_status value_pair(struct buf *object, const char *pair, const char *what, const char *command);
