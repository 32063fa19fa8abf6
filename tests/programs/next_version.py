# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

"""Makes a next version of a copy of this tree, in place, as conf/contract/rules.h lets
one be: what is unused is used, requests are longer, a rule whose path has "new-rule" in
it and a class whose name has have a flag of which earlier versions know nothing.

    next_version.py TREE            earlier versions can read its rules, it reads theirs
    next_version.py TREE strange    neither can
"""

import re
import sys

tree, strange = sys.argv[1], sys.argv[2:] == ['strange']


def change(path, old, new):
    with open(f'{tree}/{path}', encoding='utf-8') as file:
        text = file.read()
    text, count = re.subn(old, new, text)
    if count != 1:
        sys.exit(f'next_version.py: {path} has {old!r} {count} times; it has changed, so this must be changed too')
    with open(f'{tree}/{path}', 'w', encoding='utf-8') as file:
        file.write(text)


def number_of(name):
    with open(f'{tree}/conf/contract/rules.h', encoding='utf-8') as file:
        return int(re.search(rf'#define {name} (\d+)', file.read())[1])


rules, compile_c = 'conf/contract/rules.h', 'conf/language/compile.c'
version = number_of('RULES_VERSION') + 1
flag = 1 << 31
change('conf/contract/version.h', r'(?<=#define NETSHIM_VERSION ).*', '"99.0.0"')
change(rules, r'(?<=#define RULES_VERSION )\d+', str(version))
change(rules, r'(?<=#define RULE_FLAGS )0u', f'{flag}u')
change(rules, r'(?<=#define CLASS_FLAGS \(\(uint32_t\)\()', f'{flag}u | ')
change(compile_c, r'(?<=\.readers = RULES_READERS)', ', .unused = { 1 }')
change(compile_c, r'(?<=\(uint32_t\)app->at\.line,)(?=\n\t\};)',
       f'.flags = strstr(app->path, "new-rule") ? {flag}u : 0, .unused = {{ 1 }},')
change(compile_c, r'(?<=CLASS_NETNS : 0u\))',
       f'| (strstr(class->name, "new-class") ? {flag}u : 0), .unused = {{ 1, 2, 3, 4 }}')
change('conf/contract/rules.c', r'(#define REQUEST_NUMBERS \d+)', r'\1 + 2')
change('conf/contract/rules.c', r'(?<=\(uint32_t\)r->netns, r->loader,)', ' 1, UINT64_MAX,')
if strange:
    change(rules, r'(?<=#define RULES_OLDEST )\d+', str(version))
    change(rules, r'(?<=#define RULES_READERS )\d+', str(version))
    change(rules, r'(uint32_t classid;)(\s*)(uint32_t flags;)', r'\3\2\1')
    change(rules, r'(uint32_t path;)(\s*)(uint32_t path_size;)', r'\3\2\1')
