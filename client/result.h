/* result: what a call came back with, as text, and as a tree for whoever asks for one. */
#pragma once
#include "client/persist.h"
#include "proto/span.h"

persist_result *result_new(struct span text); /* copies */
void result_drop(persist_result *r);           /* frees it unless a callback has taken it; NULL is fine */
