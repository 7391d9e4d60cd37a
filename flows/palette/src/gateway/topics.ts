/** MQTT topics and filters (MQTT 3.1.1 §4.7), pure. */

/** Whether a topic matches a filter; topics that begin with `$` match no filter that begins with a wildcard. */
export function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  const parts = filter.split('/');
  const levels = topic.split('/');
  for (let i = 0; ; i++) {
    if (parts[i] === '#') return true;
    if (parts[i] === undefined || levels[i] === undefined) return parts[i] === levels[i];
    if (parts[i] !== '+' && parts[i] !== levels[i]) return false;
  }
}

/** A name as one level of a topic. @throws RangeError when it cannot be one */
export function level(name: string, what: string): string {
  if (name === '') throw new RangeError(`no ${what} is given`);
  if (name.length > 128 || /[/+#\0]/.test(name))
    throw new RangeError(
      `"${name.slice(0, 40)}" is no name of a ${what}: no / + # and at most 128 characters`,
    );
  return name;
}

/** A template of the gateway's configuration (`plant/{device}/temperature`) as a filter, for one device or all. */
export function filterOf(template: string, device: string): string {
  return template
    .split('/')
    .map((part) => (part === '{device}' && device !== '' ? device : /^\{\w+\}$/.test(part) ? '+' : part))
    .join('/');
}

/** The device that a topic names according to a template; undefined when the template names none. */
export function deviceIn(template: string, topic: string): string | undefined {
  const at = template.split('/').indexOf('{device}');
  return at < 0 ? undefined : topic.split('/')[at];
}
