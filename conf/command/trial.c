/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* Programs that are started to see whether they do: see trial.h. */

#include "conf/command/trial.h"

#include "conf/command/boottime.h"
#include "conf/command/child.h"
#include "conf/contract/preload.h"
#include "conf/language/alloc.h"

#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define SECONDS 10
#define OUTPUT_MAX 4096

/* An alarm goes on after execve. */
__attribute__((noreturn)) static void become(const char *const argv[], const char *preload, uid_t user, int errors)
{
	char *environment[] = { preload ? printed("LD_PRELOAD=%s", preload) : NULL, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	alarm(SECONDS);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(errors, STDERR_FILENO) < 0)
		_exit(EXIT_FAILURE);
	if (user && (setgroups(0, NULL) || setresgid(user, user, user) || setresuid(user, user, user)))
		err(EXIT_FAILURE, "cannot become user %u", user);
	execve(argv[0], (char *const *)(uintptr_t)argv, environment);
	err(EXIT_FAILURE, "cannot start it");
}

/* After its alarm, which does not end what somebody has stopped. */
static int64_t time_to_end(void)
{
	return boottime_milliseconds() + (int64_t)(SECONDS + 1) * 1000;
}

static int left(int64_t until)
{
	int64_t time = until - boottime_milliseconds();

	return time > 0 ? (int)time : 0;
}

/* All that it writes there, as far as it can matter. */
static char *read_all(int fd, int64_t until)
{
	struct pollfd output = { .fd = fd, .events = POLLIN };
	char *text = zalloc(OUTPUT_MAX + 1);
	size_t size = 0;
	ssize_t n;

	while (size < OUTPUT_MAX && poll(&output, 1, left(until)) > 0 &&
	       (n = read(fd, text + size, OUTPUT_MAX - size)) > 0)
		size += (size_t)n;
	return text;
}

/* The line with the library's name in it, or else the first one; harmless. */
static char *line_of(const char *output)
{
	const char *line = strstr(output, PRELOAD_NAME);
	char *copy;

	for (line = line ? line : output; line > output && line[-1] != '\n';)
		line--;
	copy = printed("%.*s", (int)strcspn(line, "\n"), line);
	str_printable(copy);
	return copy;
}

/* What others have to complain of is not new. */
static char *what_is_wrong(const char *program, const char *output, int status)
{
	char *line = line_of(output);
	char *wrong = NULL;

	if (WIFSIGNALED(status))
		wrong = printed("%s: ended by signal %d %s", program, WTERMSIG(status), line);
	else if (WEXITSTATUS(status))
		wrong = printed("%s: exit code %d %s", program, WEXITSTATUS(status), line);
	else if (strstr(output, PRELOAD_NAME))
		wrong = printed("%s: %s", program, line);
	free(line);
	return wrong;
}

char *trial_run(const char *const argv[], const char *preload, uid_t user)
{
	int64_t until = time_to_end();
	int ends[2];
	int status;
	char *output;
	char *wrong;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		err(EXIT_FAILURE, "cannot start %s", argv[0]);
	child = fork();
	if (child < 0)
		err(EXIT_FAILURE, "cannot start %s", argv[0]);
	if (!child)
		become(argv, preload, user, ends[1]);
	close(ends[1]);
	output = read_all(ends[0], until);
	status = child_status(child, left(until));
	close(ends[0]);
	wrong = what_is_wrong(argv[0], output, status);
	free(output);
	return wrong;
}

/* A loader runs its libc, which is a program as well, and says its version. */
static char *try_loaders(const char *preload)
{
	static const char *const loaders[] = { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2",
					       "/lib/ld-linux-aarch64.so.1", "/lib/ld-linux-armhf.so.3" };
	char *wrong = NULL;

	for (size_t i = 0; !wrong && i < sizeof(loaders) / sizeof(*loaders); i++)
		if (!access(loaders[i], X_OK))
			wrong = trial_run((const char *const[]){ loaders[i], "libc.so.6", NULL }, preload, 0);
	return wrong;
}

static char *try_shell(const char *preload)
{
	return trial_run((const char *const[]){ "/bin/sh", "-c", "/bin/true && exec /bin/true", NULL }, preload,
			 geteuid() ? 0 : NOBODY);
}

char *trial_of_variable(char **other)
{
	char *wrong = try_shell(PRELOAD_WORD);

	*other = wrong ? NULL : try_loaders(PRELOAD_WORD);
	return wrong;
}

/* --- what is tried with /etc/ld.so.preload, where all of /etc is this process's own */

#define CACHE "/etc/ld.so.cache"
#define SETUID "/etc/true"

static bool write_file(const char *path, mode_t mode, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* What is not there is not needed. */
static bool copy_file(int from, const char *path, mode_t mode)
{
	int fd = from < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n = 1;

	while (fd >= 0 && n > 0)
		n = sendfile(fd, from, NULL, 1 << 30);
	if (fd >= 0 && (n || fchmod(fd, mode) || close(fd)))
		return false;
	if (from >= 0)
		close(from);
	return from < 0 || fd >= 0;
}

/* In tmpfs, where nobody else gets to. A setuid program is one of coreutils that does nothing. */
static bool make_etc(const char *text)
{
	int cache = open(CACHE, O_RDONLY | O_CLOEXEC);
	int program = open("/bin/true", O_RDONLY | O_CLOEXEC);

	return !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("none", "/etc", "tmpfs", 0, "mode=755") && write_file(PRELOAD_FILE, 0644, text) &&
	       copy_file(cache, CACHE, 0644) && copy_file(program, SETUID, 04755);
}

bool trial_is_in_preload(void)
{
	char text[4096];
	int fd = open(PRELOAD_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	return n < 0 || preload_has_ours(text, text + n, PRELOAD_LIST);
}

static char *try_rescue(void)
{
	/* It says what it has done. */
	char *said = trial_run((const char *const[]){ NETSHIM_RESCUE, NULL }, NULL, 0);

	if (!trial_is_in_preload()) {
		free(said);
		return NULL;
	}
	return said ? said : copied(NETSHIM_RESCUE ": does not do its work");
}

static char *try_all(const char *text)
{
	char *wrong = NULL;

	if (!make_etc(text))
		return printed("programs cannot be tried with it in a mount namespace: %s", strerror(errno));
	wrong = try_shell(NULL);
	if (!wrong)
		wrong = trial_run((const char *const[]){ SETUID, NULL }, NULL, NOBODY);
	if (!wrong)
		wrong = try_loaders(NULL);
	return wrong ? wrong : try_rescue();
}

/* In a process that ends with its namespace. Words are written whole, as they are few. */
char *trial_of_preload(const char *text)
{
	int64_t until = time_to_end();
	int ends[2];
	int status;
	pid_t child;
	char *wrong;

	if (pipe2(ends, O_CLOEXEC))
		err(EXIT_FAILURE, "cannot try programs");
	child = fork();
	if (child < 0)
		err(EXIT_FAILURE, "cannot try programs");
	if (!child) {
		wrong = try_all(text);
		_exit(wrong && write(ends[1], wrong, strlen(wrong)) > 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	close(ends[1]);
	wrong = read_all(ends[0], until);
	close(ends[0]);
	status = child_status(child, left(until));
	if (*wrong)
		return wrong;
	free(wrong);
	return status ? copied("what tries programs has been ended") : NULL;
}
