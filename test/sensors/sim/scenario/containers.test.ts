import { describe, expect, it } from 'vitest';
import { runPolicyTests } from '../../../../agent/index.ts';
import { formatDiagnostic, loadPolicyText } from '../../../../policies/index.ts';
import { loadTestScenario } from '../../../../sensors/index.ts';

const ID = '3f4e2c1b0a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f';
const POD = 'kubepods-pod0b2c1d3e_aaaa_bbbb_cccc_0123456789ab.slice';
const CGROUP = `/kubepods.slice/${POD}/cri-containerd-${ID}.scope`;

const policyText = (containers: string): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  rules:
    - rule: Shell in a container
      condition: evt.type = execve and evt.failed = false and proc.name = sh and container.privileged = true
      priority: notice
      output: "%container.name of %container.image.repository %container.label[tier] in %k8s.ns.name/%k8s.pod.name %k8s.pod.uid %container.mounts"
  tests:
    - name: t
      expect: [Shell in a container]
      scenario:
        inline:
          containers:
${containers}
          processes:
            - {name: web, path: /usr/sbin/nginx, cgroup: ${CGROUP}}
          steps:
            - {exec: [sh, -c, id], by: web}
`;

const load = (containers: string) => {
  const { policies, diagnostics } = loadPolicyText('p.yaml', policyText(containers));
  const [policy] = policies;
  const [test] = policy?.tests ?? [];
  if (policy === undefined || test === undefined) throw new Error(JSON.stringify(diagnostics));
  return { policy, test };
};

describe('containers that a scenario declares', () => {
  it('are what their runtime would say of them', async () => {
    const { policy } = load(`            - cgroup: ${CGROUP}
              name: web
              image: docker.io/library/nginx:1.25
              privileged: true
              labels: {tier: front}
              mounts: [{source: /srv, destination: /data}, {source: /etc, destination: /host, writable: false}]
              pod: {name: web-0, namespace: shop}`);
    for await (const { passed, alerts, problems, diagnostics } of runPolicyTests(policy)) {
      expect({ passed, problems, diagnostics }).toEqual({ passed: true, problems: [], diagnostics: [] });
      expect(alerts.map(({ output }) => output)).toEqual([
        'web of docker.io/library/nginx front in shop/web-0 0b2c1d3e-aaaa-bbbb-cccc-0123456789ab /srv:/data::true:rprivate,/etc:/host::false:rprivate',
      ]);
    }
  });

  it('are not privileged unless they say so, and in no pod', async () => {
    const { policy } = load(`            - {cgroup: ${CGROUP}, name: web}`);
    for await (const { raised } of runPolicyTests(policy)) expect(raised).toEqual([]);
  });

  it('have a cgroup that is one of a container', () => {
    const { test } = load(`            - {cgroup: /docker/web, name: web, privilegd: true}`);
    const { diagnostics } = loadTestScenario(test);
    expect(diagnostics.map((found) => formatDiagnostic(found, { colour: false }))).toEqual([
      'p.yaml:16:24: error[wrong-value]: containers[0].cgroup is "/docker/web"; expected the path of a container\'s cgroup such as /docker/ and 64 hexadecimal digits.',
      'p.yaml:16:48: error[unknown-key]: containers[0] has no key "privilegd"; did you mean "privileged"?\n  in containers[0].privilegd\n  expected one of cgroup, name, image, privileged, labels, mounts, ip, pod',
    ]);
  });
});
