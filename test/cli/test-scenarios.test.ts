import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testRecord } from '../../cli/test-records.ts';
import { jsonLines } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { inLargerSizes } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';

const RULES = `- rule: Hosts read
  desc: x
  condition: evt.type = openat and fd.name = /etc/hosts and proc.name = cat
  output: x
  priority: NOTICE
- rule: Never asked about
  desc: x
  condition: evt.type = unlink
  output: x
  priority: NOTICE
`;

const SCENARIO = `name: s
steps:
  - {exec: [cat, /etc/hosts]}
  - {id: open, openat: /etc/hosts}
expect: [Hosts read]
but:
  - {name: other-file, step: open, change: {openat: /etc/hostname}, expect: []}
  - {name: later, add: {wait: 1s}, before: open, expect: []}
`;

const files = (): { readonly rules: string; readonly folder: string; readonly scenario: string } => {
  const folder = temporaryFolder();
  const rules = join(temporaryFolder(), 'rules.yaml');
  const scenario = join(folder, 's.yaml');
  writeFileSync(rules, RULES);
  writeFileSync(scenario, SCENARIO);
  return { rules, folder, scenario };
};

it("tries Falco's rules on scenarios that say which of them they raise", async (context) => {
  inLargerSizes(context);
  const { rules, folder, scenario } = files();
  const { code, stdout } = await shrike('test', rules, '--scenarios', folder);
  expect(code).toBe(1);
  expect(stdout.split('\n').slice(0, 6)).toEqual([
    `rules  ${rules}`,
    '  ok   s',
    '  ok   s/other-file',
    `  FAIL s/later  ${scenario}:8:5`,
    '         expected: no alert',
    '         raised:   Hosts read',
  ]);
  writeFileSync(scenario, SCENARIO.replace('before: open, expect: []', 'before: open, expect: [Hosts read]'));
  const changed = await shrike('test', rules, '--scenarios', folder, '--mutate', '--json');
  expect(changed.code).toBe(0);
  const records = jsonLines(changed.stdout).map((record) => testRecord.parse(record));
  expect(records.find(({ type }) => type === 'mutation')).toMatchObject({
    tried: 6,
    found: 4,
    rules: [{ rule: 'Hosts read', tried: 6, found: 4 }],
    survived: [
      { rule: 'Hosts read', before: 'evt.type = openat', after: 'left out' },
      { rule: 'Hosts read', before: 'proc.name = cat', after: 'left out' },
    ],
  });
}, 180_000);

it('says what is wrong with a scenario', async () => {
  const { rules, scenario } = files();
  writeFileSync(scenario, SCENARIO.replace('before: open', 'before: opne'));
  const { code, stdout, stderr } = await shrike('test', rules, '--scenarios', scenario);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  const caret = `\n    8 |   - {name: later, add: {wait: 1s}, before: opne, expect: []}\n      |                                            ^\n`;
  const mistake = 'error[unknown-step]: No step has the id "opne"; did you mean "open"?';
  const rest = `${caret}  in but[1].before\n  expected one of open\n`;
  expect(stderr).toBe(`shrike: the scenarios can't be played\n${scenario}:8:44: ${mistake}${rest}`);
});
