/* persistd: where to start reading. main reads the command line; server.c runs the daemon's life;
 * docs/architecture.md is the tour from here. */
#include "daemon/check.h"
#include "daemon/server.h"
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct options options;
	int status;
	if (!options_parse(&options, argc, argv, &status))
		return status;
	status = options.check ? check_run(options.state_dir, stdout) : server_run(&options);
	free((char *)options.socket);
	free((char *)options.state_dir);
	return status;
}
