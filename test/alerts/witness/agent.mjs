/* An agent's process with the real log, sealer and announcer, entries added at a rate. Told what to do by its argument (JSON), ended by SIGKILL. */
const { modules, folder, host, servers, witness, intervalMs, sealMs, perSecond } = JSON.parse(process.argv[2]);
const { createAnnouncer, openAuditLog, openSealer, parseWitnessKey } = await import(modules);

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const report = (sentence) => say({ sentence });
const log = await openAuditLog({ folder, host, warn: report });
const sealer = await openSealer({ log, warn: report, everyMs: sealMs });
const announcer = createAnnouncer({
  ...{ servers, host, folder, sealer, intervalMs, report, witness: parseWitnessKey(witness) },
});
setInterval(() => log.append('policy', { entry: log.last + 1 }), 1000 / perSecond);
setInterval(() => {
  const { cosigned, answered } = announcer.state;
  say({ cosigned, answered });
}, 20);
