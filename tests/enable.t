#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# netshim enable has sessions load the library, and disable takes that away again: what was
# there before stays as it was, byte by byte, and users' files are theirs.
. "$(dirname "$0")/lib.sh"

for program in visudo zsh fish csh; do command -v $program >/dev/null || cannot_run "needs $program"; done
page=$tests/../shim/libnetshim.7
word=$root/usr/lib/netshim/\$LIB/libnetshim.so
rescue=$root/usr/libexec/netshim-rescue
probe=$root/bin/probe
environment=/etc/environment
sudoers=/etc/sudoers.d/netshim
list=/etc/ld.so.preload

# All of /etc is this test's own, and so are its users.
mkdir "$scratch/etc" "$scratch/home"
mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/etc,workdir=$(mktemp -d -p "$scratch")" etc /etc 2>/dev/null ||
	{ cp -a /etc/. "$scratch/etc" && mount --bind "$scratch/etc" /etc; }
rm -rf "$list" "$sudoers" /etc/X11
: >$environment
sed -i '/^[^:]*:[^:]*:[1-9][0-9]*:/d' /etc/passwd
number=20000
for shell in bash zsh fish csh; do
	number=$((number + 1))
	echo "$shell:x:$number:" >>/etc/group
	echo "$shell:x:$number:$number::$scratch/home/$shell:$(command -v $shell)" >>/etc/passwd
	install -d -o $number -g $number "$scratch/home/$shell"
done
echo "nobody:x:65534:65534::/nonexistent:/bin/sh" >>/etc/passwd

all_files() { # what there is in /etc and at home: names, modes, owners, links, texts
	(cd / && find etc "${scratch#/}/home" \( -type l -printf '%p %l\n' -o -printf '%p %m %U %G\n' \) | sort
		find "$scratch/home" $environment $list /etc/sudoers* -type f -exec cksum {} + 2>/dev/null | sort)
}
unchanged() { # unchanged FILES WHAT
	is "$(diff <(echo "$1") <(all_files))" "" "$2"
}
manager() { # manager RUNNER...: what systemd's user manager has for LD_PRELOAD then
	(eval "$("$@" /usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator | grep ^LD_PRELOAD=)"; echo "$LD_PRELOAD")
}
as() { # as USER COMMAND...: from a clean environment, as a login has it
	setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups env -i HOME="$scratch/home/$1" USER="$1" PATH="$PATH" "${@:2}"
}
before=$(all_files)

# --- for all who log in, and sudo

out=$("$netshim" enable --user --login --system --dry-run 2>&1)
is "$? $(grep -c 'would write into' <<<"$out")" "0 $(grep -c '^would' <<<"$out")" "enable --dry-run succeeds"
like "$out" "would write into $environment:.*LD_PRELOAD=.*would write into $sudoers:.*would write into $list:.*$rescue" "it says what it would write, and names the rescue"
unchanged "$before" "and writes nothing"
out=$("$netshim" enable 2>&1)
is "$? $(cat $environment)" "0 LD_PRELOAD=$word" "enable, as root: for all who log in"
like "$out" "^writes into $environment:"$'\n'"    LD_PRELOAD=.*writes into $sudoers:"$'\n'"    Defaults env_file=$environment"$'\n' "it says what it writes"
is "$(stat -c '%a %U' $environment $sudoers | xargs)" "644 root 440 root" "with the modes that these files have to have"
# With no variable at all, sudo 1.9.16 ends by a signal.
is "$(env -i "PATH=$PATH" sudo -n "$probe" loaded 2>/dev/null) $(env -i "PATH=$PATH" sudo -n -i "$probe" loaded 2>/dev/null)" "yes yes" \
	"what sudo starts has the library"
once=$(all_files)
"$netshim" enable >/dev/null
is $? 0 "enable once more"
unchanged "$once" "changes nothing"
"$netshim" disable >"$scratch/out" 2>&1
is $? 0 disable
unchanged "$before" "disable leaves what was before"
like "$(cat "$scratch/out")" "takes netshim's lines out of $environment" "and says so"
is "$("$netshim" disable 2>&1; echo $?)" 0 "disable once more has nothing to say"

# whatever is in the file
try_text() { # try_text BEFORE AFTER WHAT
	printf %b "$1" >$environment
	"$netshim" enable --login >/dev/null
	is "$(cat $environment; echo .)" "$(printf %b "${2//WORD/$word}"; echo .)" "$3"
	"$netshim" disable >/dev/null
	is "$(cat $environment; echo .)" "$(printf %b "$1"; echo .)" "and back"
}
try_text 'LANG=C\n# more\n' 'LANG=C\n# more\nLD_PRELOAD=WORD\n' "other lines stay"
try_text 'LANG=C' 'LANG=C\nLD_PRELOAD=WORD' "a last line without an end"
try_text 'LD_PRELOAD=/a.so\nLANG=C\n' 'LD_PRELOAD=/a.so:WORD\nLANG=C\n' "another preload stays before it"
try_text 'LD_PRELOAD="/a.so /b.so"\n' 'LD_PRELOAD="/a.so /b.so:WORD"\n' "quoted ones too"
try_text 'export LD_PRELOAD=/a.so # mine\n' 'export LD_PRELOAD=/a.so:WORD # mine\n' "and one with a comment"
try_text 'LD_PRELOAD=/a.so\nLD_PRELOAD=/b.so' 'LD_PRELOAD=/a.so\nLD_PRELOAD=/b.so:WORD' "the last line counts"
try_text '#LD_PRELOAD=/a.so\nXLD_PRELOAD=/b.so\n' '#LD_PRELOAD=/a.so\nXLD_PRELOAD=/b.so\nLD_PRELOAD=WORD\n' "no line of another name"
printf 'LD_PRELOAD=%s\nLANG=C\n' "$preload" >$environment
"$netshim" enable --login >/dev/null
is "$(cat $environment)" "LD_PRELOAD=$preload"$'\n'"LANG=C" "a line by hand does for it"
"$netshim" disable >/dev/null
is "$(cat $environment)" "LANG=C" "and is taken out, too"

# mode, owner, link; no file
mkdir /etc/elsewhere
mv $environment /etc/elsewhere/file
ln -s elsewhere/file $environment
chown 3:4 /etc/elsewhere/file
chmod 604 /etc/elsewhere/file
"$netshim" enable --login >/dev/null
is "$(readlink $environment) $(stat -c '%a %u %g' /etc/elsewhere/file) $(grep -c libnetshim /etc/elsewhere/file)" "elsewhere/file 604 3 4 1" \
	"a link, the owner and the mode stay"
chown bash /etc/elsewhere
like "$("$netshim" disable 2>&1; echo $?)" "others than root can change /etc/elsewhere.*1$" "nothing is written where others than root decide"
chown root /etc/elsewhere
"$netshim" disable >/dev/null
rm -r $environment /etc/elsewhere
"$netshim" enable --login >/dev/null
is "$(grep -c libnetshim $environment) $(stat -c %a $environment)" "1 644" "where there is no such file, one is made"
echo LANG=C >>$environment
"$netshim" disable >/dev/null
is "$(cat $environment)" "LANG=C" "and stays, with what others have written there since"
rm $environment
"$netshim" enable --login >/dev/null
"$netshim" disable >/dev/null
[ ! -e $environment ]
ok $? "or goes again"
: >$environment

# what an administrator has told sudo
echo "Defaults env_file=/etc/own, passwd_tries=2" >/etc/sudoers.d/own
like "$("$netshim" enable 2>&1)" "netshim: /etc/sudoers.d/own:1: Defaults env_file=/etc/own, .*LD_PRELOAD=" "an env_file that is there is named"
[ ! -e $sudoers ]
ok $? "and not replaced"
like "$("$netshim" status 2>/dev/null)" $'\n'"sudo  *no"$'\n' "and status says that sudo is not covered"
echo "Defaults env_file=$environment" >/etc/sudoers.d/own
like "$("$netshim" status 2>/dev/null)" $'\n'"sudo  *yes"$'\n' "but it is if that is the file"
traces() { # traces LINES: what enable says of sudo with them
	printf %b "$1" >/etc/sudoers.d/own
	visudo -c -q -f /etc/sudoers.d/own || return
	"$netshim" enable --dry-run 2>&1 | grep ptrace
}
for lines in "Defaults log_subcmds" "Defaults intercept" "Defaults passwd_tries=2, log_subcmds, intercept_type=trace" "Defaults intercept_type=dso\nDefaults intercept, intercept_type=trace"; do
	like "$(traces "$lines\n")" "^netshim: /etc/sudoers.d/own:[12]: Defaults .*: sudo, from 1.9.11 on, follows what it starts by ptrace then, and ends programs that have a class; add this line behind it: Defaults intercept_type=dso$" \
		"sudo that follows what it starts by ptrace is told of: $lines"
done
for lines in "Defaults intercept_type=trace" "Defaults log_subcmds\nDefaults intercept_type=dso" "Defaults log_subcmds, intercept_type=\"dso\"" "Defaults log_subcmds\nDefaults !log_subcmds" "Defaults intercept_verify" "#Defaults intercept"; do
	is "$(traces "$lines\n")" "" "one that does not is not: $lines"
done
rm /etc/sudoers.d/own
"$netshim" disable >/dev/null
told() { # told LINES: whether they set it for all, so that enable leaves it, and to that file, so that sudo is covered
	printf %b "$1" >/etc/sudoers.d/own
	visudo -c -q -f /etc/sudoers.d/own || return
	"$netshim" enable --login --dry-run 2>&1 | grep -q "would write into $sudoers:" || echo "set"
	"$netshim" status 2>/dev/null | grep -o '^sudo  *yes' | tr -s ' '
}
echo "LD_PRELOAD=$word" >$environment
for lines in "Defaults env_file=\"$environment\"\n" "\tDefaults\t!env_reset ,env_file = $environment, passwd_tries=2 # all\n" "Defaults passwd_tries=2, \\\\\n\tenv_file=$environment" \
	"Defaults env_file=/etc/own\nDefaults env_file=$environment\n" "Defaults !env_file\nDefaults env_file=$environment\n" "Defaults badpass_message=\"a, #\", env_file=$environment\n"; do
	is "$(told "$lines" | xargs)" "set sudo yes" "it is that file by: $lines"
done
for lines in "Defaults env_file=$environment.sudo\n" "Defaults env_file=\"/mnt$environment\"\n" "Defaults env_file=/etc/own, secure_path=$environment\n" "Defaults env_file=$environment\nDefaults env_file=/etc/own\n"; do
	is "$(told "$lines" | xargs)" "set" "but another one by: $lines"
done
for lines in "Defaults:bash env_file=$environment\n" "Defaults!/bin/ls env_file=$environment\n" "Defaults restricted_env_file=$environment\n" "bash ALL=(ALL) /usr/bin/show-env_file\n" \
	"Cmnd_Alias E = /usr/bin/env_file=$environment\n" "Defaults env_file=$environment\nDefaults !env_file\n" "Defaults passwd_tries=2 # env_file=$environment\n" \
	"Defaults badpass_message=\"no, env_file=$environment\"\n" "#Defaults env_file=$environment\n"; do
	is "$(told "$lines" 2>&1 | xargs)" "" "and none for all by: $lines"
done
: >$environment
echo "Defaults restricted_env_file=/etc/own" >/etc/sudoers.d/own
mount --bind /bin/false /usr/sbin/visudo
like "$("$netshim" enable 2>&1; echo $?)" "sudo does not take $sudoers.*1$" "what visudo does not take"
is "$(find /etc/sudoers.d -name 'netshim*'; grep -c libnetshim $environment)" 1 "is not written, all else is"
umount /usr/sbin/visudo
rm /etc/sudoers.d/own
"$netshim" disable >/dev/null
unchanged "$before" "all is as before"

# whose the library is
try_library() { # try_library PATH WHAT: somebody else's, then writable by everybody, then root's again
	local mode
	mode=$(stat -c %a "$1")
	chown bash "$1"
	like "$("$netshim" enable 2>&1; echo $?) $("$netshim" enable --system 2>&1; echo $?)" \
		"^netshim: nothing is written, .*others than root can change $1; make it root's.*1 netshim: nothing is written, .*1$" "$2 of a user's: not for root"
	chown root "$1"
	chmod o+w "$1"
	like "$("$netshim" enable --user --dry-run 2>&1; echo $?)" "others than root can change $1; .*1$" "nor where users can write to it"
	[ "$1" = "$rescue" ] || {
		chmod 700 "$1"
		like "$("$netshim" enable 2>&1; echo $?)" "^netshim: nothing is written, as not all users may read $1; run: chmod 755 $1"$'\n1$' "nor where users cannot read it"
	}
	chmod "$mode" "$1"
}
try_library "$root/usr" "a folder above the library"
try_library "$preload" "the library"
try_library "$root/usr/lib/netshim" "the folder of those of each kind"
for path in "$root/usr/lib/netshim/lib" "$(find "$root/usr/lib/netshim/lib" -name libnetshim.so | head -n 1)"; do try_library "$path" "${path#"$root/"}"; done
try_library "$rescue" "the rescue"
unchanged "$before" "and nothing is written"

# --- for one user

like "$(as bash "$netshim" enable --login 2>&1)" "for root.*enable --user" "users do not enable it for all"
in_shell() { # in_shell USER COMMAND: as each way to start that shell
	case $1 in
	bash) as bash bash -lc "$2"; as bash bash -ic "$2" 2>&1 | grep -v -e 'job control' -e 'process group' ;;
	fish) as fish fish -c "$2" ;;
	*) as "$1" "$1" -c "$2" ;;
	esac
}
for who in bash zsh fish csh; do
	out=$(as $who "$netshim" enable 2>&1)
	is "$? $(grep -c "^writes into $scratch/home/$who/" <<<"$out")" "0 $([ $who = bash ] && echo 3 || echo 2)" "$who: enable, as a user"
	is "$(in_shell $who "$probe loaded" | sort -u)" yes "$who: its programs have the library"
	is "$(in_shell $who 'printenv LD_PRELOAD' | sort -u)" "$word" "once"
	is "$(as $who env LD_PRELOAD="$empty" $who -c 'printenv LD_PRELOAD')" "$empty$([ $who = bash ] || echo ":$word")" "$who: another preload stays before it"
	is "$(as $who env LD_PRELOAD="$word" $who -c 'printenv LD_PRELOAD')" "$word" "$who: not twice"
	is "$(find "$scratch/home/$who" ! -user $who)" "" "$who: the files are the user's"
	is "$(manager as $who)" "$word" "$who: systemd's user manager gives it to services"
done
is "$(manager as bash env LD_PRELOAD="$empty")" "$empty:$word" "with what it has already"
is "$(stat -c %a "$scratch/home/bash/.config" "$scratch/home/bash/.config/environment.d" | xargs)" "700 700" "the folders that were missing are the user's alone"
is "$(as bash bash -euc '. ~/.profile; echo fine')" fine "the lines fit where a shell ends with each mistake"
as bash "$netshim" disable >/dev/null
is "$(find "$scratch/home/bash" -mindepth 1)" "" "disable, as a user: nothing is left"
chown bash "$root/usr/lib/netshim"
is "$(as bash "$netshim" enable >/dev/null 2>&1; echo $?) $(as bash "$netshim" disable >/dev/null; echo $?)" "0 0" "a library of the user's own is the user's business"
chown root "$root/usr/lib/netshim"
rm -rf "$scratch/home/fish/.local" "$scratch/home/fish/.cache" # fish's own
like "$("$netshim" disable 2>&1)" "$scratch/home/zsh.*$scratch/home/fish.*$scratch/home/csh" "disable, as root: of all users"
unchanged "$before" "all is as before"
for option in login system; do
	"$netshim" enable --$option >/dev/null
	is "$(as bash "$netshim" disable 2>&1; echo $?)" "netshim: all who log in, you too, go on loading the library, as root has enabled it; root's 'netshim disable' takes that out"$'\n'0 \
		"where root has enabled --$option, that is said"
	"$netshim" disable >/dev/null 2>&1
done

# what is there
cp /etc/skel/.bashrc /etc/skel/.profile "$scratch/home/bash/"
echo 'set prompt="% "' >"$scratch/home/csh/.tcshrc"
printf 'echo mine' >"$scratch/home/bash/.bash_login"
mkdir "$scratch/home/zsh/files"
echo 'PS1="% "' >"$scratch/home/zsh/files/zshenv"
ln -s files/zshenv "$scratch/home/zsh/.zshenv"
chmod 600 "$scratch/home/bash/.bashrc"
chown -R bash:bash "$scratch/home/bash" && chown -R zsh:zsh "$scratch/home/zsh" && chown -R csh:csh "$scratch/home/csh"
filled=$(all_files)
for who in bash zsh csh; do as $who "$netshim" enable --user >/dev/null; done
is "$(as bash bash -lc "$probe loaded" | xargs) $(as bash sh -c ". ~/.profile; $probe loaded")" "mine yes yes" "bash: whichever of its files it reads"
is "$(in_shell csh "$probe loaded") $(in_shell zsh "$probe loaded")" "yes yes" "csh and zsh too"
is "$(stat -c %a "$scratch/home/bash/.bashrc") $(readlink "$scratch/home/zsh/.zshenv")" "600 files/zshenv" "modes and links stay"
"$netshim" disable >/dev/null
unchanged "$filled" "all is as before"

# what somebody has taken the end of
unended=$'echo mine\n# netshim enable: from here\nexport LD_PRELOAD='
for file in "$scratch/home/bash/.profile" $sudoers; do
	[ ! -e "$file" ] || mv "$file" "$scratch/kept"
	echo "$unended" >"$file"
	who=(as bash)
	[ "$file" != $sudoers ] || who=(env)
	like "$("${who[@]}" "$netshim" disable 2>&1; echo $?)" "$file: the end of what netshim has put there is missing; take it out by hand.*1$" "lines without an end in $file: disable fails"
	is "$(cat "$file")" "$unended" "and leaves them"
	rm "$file"
	[ ! -e "$scratch/kept" ] || mv "$scratch/kept" "$file"
done
mkdir "$scratch/none"
mount --bind "$scratch/none" ~root
echo "$unended" >~root/.profile
like "$("$netshim" disable 2>&1; echo $?)" "missing; take it out by hand.*1$" "in root's home, too"
rm ~root/.profile
umount ~root
unchanged "$filled" "all is as before"

# the library is gone, and the lines are not: nobody is told so
for who in bash zsh fish csh; do as $who "$netshim" enable --user >/dev/null; done
mount --bind "$scratch/none" "$root/usr/lib/netshim"
for who in bash zsh fish csh; do is "$(in_shell $who "printenv LD_PRELOAD; $probe loaded" 2>&1 | grep -vx mine | sort -u)" no "$who: without the library, silent"; done
umount "$root/usr/lib/netshim"

# what a user names, root does not follow
rm "$scratch/home/fish/.config/fish/conf.d/netshim.fish"
printf '# netshim enable: from here\nx\n# netshim enable: to here\n' >/etc/secret
chmod 600 /etc/secret
ln -s /etc/secret "$scratch/home/fish/.config/fish/conf.d/netshim.fish"
rm "$scratch/home/csh/.cshrc"
mkfifo "$scratch/home/csh/.cshrc" && chown csh "$scratch/home/csh/.cshrc"
out=$("$netshim" disable 2>&1)
is "$? $(wc -l </etc/secret)" "0 3" "disable, as root: another's file behind a link stays"
like "$out" "not all files of user fish could be looked at.*csh.*not all files of user csh" "and it says whose files those are"
# on a file system that never answers
gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 "$tests/programs/silent.c" -o "$scratch/silent"
mknod "$scratch/fuse" c 10 229
mkdir -p "$scratch/home/bash/.config"
in_background "$scratch/silent" "$scratch/home/bash/.config" "$scratch/fuse" name >"$scratch/silence"
wait_until test -s "$scratch/silence"
SECONDS=0
like "$(timeout -s KILL 60 "$netshim" disable 2>&1; echo $?)" "not all files of user bash could be looked at.*0$" "a user's folder that never answers"
ok $((SECONDS > 20)) "it is waited for ten seconds, and no longer"
kill "$(<"$scratch/silence")" $!
umount -l "$scratch/home/bash/.config"
rm -r /etc/secret "${scratch:?}"/home/*
for who in bash zsh fish csh; do install -d -o $who -g $who "$scratch/home/$who"; done
unchanged "$before" "all is as before"

# --- for all that is dynamic

out=$("$netshim" enable --system)
is "$? $(cat $list) $(stat -c '%a %u' $list)" "0 $word 644 0" "enable --system"
like "$out" "Each program that is started from now on has it" "which says that it holds at once"
cp "$probe" "$scratch/setuid"
chmod u+s "$scratch/setuid"
is "$(env -i "$probe" loaded) $(as_user "$scratch/setuid" loaded) $("$root/bin/probe-static" loaded)" "yes yes no" "all dynamic programs load it, setuid ones too"
if has_32bit "and 32-bit ones"; then is "$("$root/bin/probe-32" loaded 2>&1)" yes "and 32-bit ones"; fi
"$netshim" disable >/dev/null
unchanged "$before" "disable leaves what was before"
try_list() { # try_list BEFORE AFTER WHAT
	printf %b "$1" >$list
	inode=$(stat -c %i $list)
	"$netshim" enable --system >/dev/null
	is "$(cat $list; echo .)" "$(printf %b "${2//WORD/$word}"; echo .)" "$3"
	[ "$(stat -c %i $list)" != "$inode" ]
	ok $? "by another file in its place"
	cp $list "$scratch/list"
	"$netshim" disable >/dev/null
	is "$(cat $list; echo .)" "$(printf %b "$1"; echo .)" "and back"
	cp "$scratch/list" $list
	"$rescue" 2>/dev/null
	is "$? $(cat $list; echo .)" "0 $(printf %b "$1"; echo .)" "and by the rescue"
}
try_list "$empty\n" "$empty\nWORD\n" "another preload stays before it"
try_list "$empty" "$empty\nWORD" "a last line without an end"
try_list "$empty:$empty  $empty\n\n" "$empty:$empty  $empty\n\nWORD\n" "several, in their order"
try_list "# all of $word\n$empty\n" "# all of $word\n$empty\nWORD\n" "a comment stays"
try_list "$empty# not $word" "$empty# not $word\nWORD" "and one without an end"
by_hand() { # by_hand BEFORE AFTER: what disable and the rescue leave, of what somebody has written
	printf %b "${1//WORD/$word}" >$list
	is "$(env -i "$probe" loaded)" yes "the loader finds it by $1"
	"$netshim" disable >/dev/null
	is "$(cat $list; echo .)" "$(printf %b "${2//WORD/$word}"; echo .)" "disable takes it out"
	is "$(env -i "$probe" loaded)" no "and the loader finds none"
	printf %b "${1//WORD/$word}" >$list
	"$rescue" 2>/dev/null
	is "$(cat $list; echo .)" "$(printf %b "${2//WORD/$word}"; echo .)" "the rescue does, too"
}
by_hand "# mine\nWORD $empty\n" "# mine\n$empty\n"
by_hand "# mine\nWORD\n$empty\n" "# mine\n$empty\n"
by_hand "$empty WORD# for WORD\n" "$empty# for WORD\n"
# glibc misses a comment behind a longer one, wholly or its end.
by_hand "#$(printf 'x%.0s' {1..300})\n$empty # WORD\n" "#$(printf 'x%.0s' {1..300})\n$empty #\n" 2>/dev/null
by_hand "#WORD\nWORD # WORD" "#WORD\n#" 2>/dev/null
by_hand "WORD#WORD\n" "#WORD\n"
rescued() { # rescued UMASK WHAT: others read it as before
	printf '%s\n' "$empty" "$word" >$list
	chmod 644 $list
	(umask "$1" && "$rescue" 2>/dev/null)
	is "$? $(cat $list) $(stat -c %a $list)" "0 $empty 644" "the rescue, $2"
}
rescued 077 "of who gives others no right to new files"
install -m 600 /dev/null $list.rescue
rescued 022 "behind one that was ended"
rm $list
is "$("$rescue" 2>&1; echo $?)" "netshim-rescue: $list: it is not there: the library is not loaded by it"$'\n'1 "the rescue has nothing to do"
is "$(readelf -lW "$rescue" | grep -c -e INTERP -e DYNAMIC)" 0 "and is static"

# as the first process, of a kernel that has mounted / read-only
"$netshim" enable --system >/dev/null
cat >"$scratch/init.c" <<'END'
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	return printf("init %d: %s %s\n", (int)getpid(), argv[1], argc > 2 ? "more" : "") < 0;
}
END
mkdir "$scratch/system" "$scratch/system/etc" "$scratch/system/sbin" "$scratch/system/libexec"
gcc -static "$scratch/init.c" -o "$scratch/system/sbin/init"
cp "$rescue" "$scratch/system/libexec/"
printf '%s\n' "$empty" "$word" >"$scratch/system/etc/ld.so.preload"
# shellcheck disable=SC2016 # that shell's
out=$(unshare --mount --pid --fork sh -c 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec chroot "$1" /libexec/netshim-rescue quiet' sh "$scratch/system" 2>&1)
is "$out" "netshim-rescue: $list: the library is no longer in it"$'\n'"init 1: quiet " "as the first process, the rescue does its work, and the boot goes on"
is "$(cat "$scratch/system/etc/ld.so.preload")" "$empty" "also where / is mounted read-only"
"$netshim" disable >/dev/null

# a library with which programs do not start
refused() { # refused WHAT SAYS: the library is another one meanwhile
	like "$("$netshim" enable --system 2>&1; echo $?)" "nothing is written into $list.*$2.*1$" "$1: refused"
	[ ! -e $list ]
	ok $? "and nothing is written"
}
native=$(env -i LD_PRELOAD="$word" sh -c 'sed -n "s|.* /|/|p" /proc/$$/maps | grep -m 1 libnetshim')
echo '__attribute__((constructor)) void end(void) { __builtin_trap(); }' | gcc -shared -fPIC -x c - -o "$scratch/breaks.so"
mount --bind "$scratch/breaks.so" "$native"
refused "a library that ends programs" "ended by signal"
like "$("$netshim" enable 2>&1; echo $?) $(as bash "$netshim" enable 2>&1; echo $?)" "^netshim: nothing is written, .*ended by signal.*1 netshim: nothing is written.*1$" \
	"for logins, too"
unchanged "$before" "and nothing is written"
umount "$native"
[ ! -e /lib/ld-linux.so.2 ] || [ ! -e "$root/usr/lib/netshim/lib32" ] || {
	mount --bind "$scratch/none" "$root/usr/lib/netshim/lib32"
	refused "32-bit programs without a library of theirs" "/lib/ld-linux.so.2.*cannot be preloaded"
	like "$("$netshim" enable --login --dry-run 2>&1; echo $?)" "some programs will complain.*/lib/ld-linux.so.2.*cannot be preloaded.*would write into.*0$" \
		"for logins, that is said"
	umount "$root/usr/lib/netshim/lib32"
}
mount --bind /bin/true "$rescue"
refused "a rescue that does not work" "$rescue"
umount "$rescue"
is "$(findmnt -rn -o TARGET /etc | wc -l)" 1 "what was tried has left no mount"
unchanged "$before" "and no file"

# --- the promises to users hold with it in every program

# They have namespaces, and users, of their own.
umount /etc
mkdir "$scratch/etc2"
mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/etc2,workdir=$(mktemp -d -p "$scratch")" etc /etc 2>/dev/null ||
	{ cp -a /etc/. "$scratch/etc2" && mount --bind "$scratch/etc2" /etc; }
rm -rf /etc/X11
"$netshim" enable --system >/dev/null
for test in attack privilege safety; do
	env -u NETSHIM_IN_WORLD NETSHIM_TEST_SCRATCH=system "$tests/$test.t" >"$scratch/out" 2>&1
	is "$? $(grep -c '^ok' "$scratch/out") $(grep '^not ok' "$scratch/out")" "0 $(sed -n 's/^1\.\.//p' "$scratch/out") " "$test.t, with /etc/ld.so.preload"
done
"$netshim" disable >/dev/null
before=$(all_files)

# --- what status says is what the manual says

"$netshim" down 2>/dev/null
column() { # column NUMBER: of the table in libnetshim(7)
	sed -n '/^\.It Em Started from Ta/,/^\.El/s/^\.It \([^E].*\)/\1/p' "$page" | awk -F ' Ta ' -v column="$1" '{ printf "%s=%s;", $1, $column }'
}
said() { "$netshim" status 2>/dev/null | sed -n '/^STARTED FROM/,$s/^\([a-zX].*[^ ]\)  *\(yes\|no\)$/\1=\2/p' | sed 's/  *=/=/' | tr '\n' ';'; }
like "$("$netshim" status 2>/dev/null)" "the library is enabled for no session of root, nor for all" "status, where nothing is enabled"
number=2
for option in user login system; do
	home=$(getent passwd root | cut -d: -f6)
	in_manual=$(column $number) # may be at home
	mount --bind "$scratch/none" "$home"
	"$netshim" enable --$option >/dev/null
	is "$(said)" "$in_manual" "status, where enable --$option was run: as libnetshim(7) has it"
	is "$("$netshim" status --json | grep -o '"enabled": .*')" "\"enabled\": [\"$option\"]}" "and --json names it"
	"$netshim" disable >/dev/null
	umount "$home"
	number=$((number + 1))
done

finish
