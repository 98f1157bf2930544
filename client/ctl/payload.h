/* payload: artifact save and artifact read: payloads from and to files and pipes, byte for byte. */
#pragma once
#include "client/ctl/command.h"

enum exit_status payload_save(struct invocation *i);
enum exit_status payload_read(struct invocation *i);
extern const struct operand payload_save_operands[];
