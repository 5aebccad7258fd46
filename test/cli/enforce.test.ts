import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { enforce } from '../../cli/enforce.ts';
import { openSwitch, request, requestIn } from '../../cli/enforcement-switch.ts';
import { CliError } from '../../cli/exit.ts';
import { killBudgetOf } from '../../cli/kill-budget.ts';
import { createPaint } from '../../cli/paint.ts';
import { temporaryFolder } from '../support/folder.ts';

const ask = async (what: 'on' | 'off' | 'status', folder: string, json = false) => {
  const lines: string[] = [];
  const output = {
    paint: createPaint(false),
    isTerminal: false,
    columns: 120,
    line: (text = '') => void lines.push(text),
    json: (record: unknown) => void lines.push(JSON.stringify(record)),
  };
  const code = await enforce(what, { audit: folder, json }, output);
  return { code, text: lines.join('\n') };
};

const agent = (folder: string, enforces = true) => {
  const control = openSwitch(folder, enforces);
  onTestFinished(control.close);
  const heard: [isOff: boolean, by: string][] = [];
  control.onChange((by) => heard.push([control.isOff, by]));
  return { control, heard };
};

it('switches the agent that runs on a folder, and says how it stands', async () => {
  const folder = temporaryFolder();
  const { control, heard } = agent(folder);
  expect((await ask('status', folder)).text).toMatch(
    new RegExp(`^enforcement is on since \\d{4}-.*Z \\(agent with process id ${process.pid}\\)$`),
  );
  expect(control.isOff).toBe(false);

  const off = await ask('off', folder);
  expect(off.code).toBe(0);
  expect(off.text).toMatch(/^enforcement is off since /);
  expect(heard).toEqual([[true, 'shrike enforce']]);

  const { code, text } = await ask('on', folder, true);
  expect(code).toBe(0);
  expect(JSON.parse(text)).toMatchObject({
    type: 'enforcement',
    folder,
    asked: 'on',
    agent: { pid: process.pid, enforcement: 'on' },
  });
  expect(heard.length).toBe(2);
});

it('holds for the next agent on the folder', async () => {
  const folder = temporaryFolder();
  const off = await ask('off', folder);
  expect(off).toEqual({
    code: 1,
    text: `no agent runs on ${folder}; the next one that does will not enforce, until "shrike enforce on"`,
  });
  expect(agent(folder).control.isOff).toBe(true);
});

it('says that an agent was started to watch', async () => {
  const folder = temporaryFolder();
  agent(folder, false);
  expect(await ask('off', folder)).toEqual({
    code: 1,
    text: `the agent with process id ${process.pid} was started without --enforce: it only says what it would do`,
  });
});

it('takes a request that it does not understand for off, and an agent that is gone for none', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'enforcement'), 'onn');
  expect(requestIn(folder)).toBe('off');
  request(folder, 'on');
  expect(readFileSync(join(folder, 'enforcement'), 'utf8')).toBe('on\n');
  const gone = { pid: 2 ** 22 + 1, enforcement: 'on', since: '2026-01-01T00:00:00.000Z' };
  writeFileSync(join(folder, 'enforcement.json'), JSON.stringify(gone));
  expect((await ask('status', folder)).text).toBe(
    `no agent runs on ${folder}; the next one that does enforces where it is started with --enforce`,
  );
});

it('fails where there is no such folder', async () => {
  const folder = join(temporaryFolder(), 'absent');
  await expect(ask('status', folder)).rejects.toEqual(
    new CliError(`there is no folder ${folder}; give the agent's --audit folder`, 2),
  );
});

it('reads budgets of kills', () => {
  expect(killBudgetOf('10/min')).toEqual({ kills: 10, periodMs: 60_000 });
  expect(killBudgetOf('3/30s')).toEqual({ kills: 3, periodMs: 30_000 });
  expect(killBudgetOf('100/2h')).toEqual({ kills: 100, periodMs: 7_200_000 });
});

it.each([
  ['10', 'Expected kills in a time, for example 10/min, 3/30s or 100/h.'],
  ['0/min', 'Expected another budget: a budget is from 1 to 65,535 kills, not 0.'],
  ['1/0s', 'Expected another budget: a period is from 1 ms to 18 h, not 0 ms.'],
  ['1/19h', 'Expected another budget: a period is from 1 ms to 18 h, not 68400000 ms.'],
])('refuses %s as a budget of kills', (text, message) => {
  expect(() => killBudgetOf(text)).toThrow(message);
});
