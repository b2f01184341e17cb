import { ref, watch } from 'vue'

/** The URL that stands in the commands of the tab Cloud until the reader enters another. */
export const exampleUrl =
  'postgresql://maxroach:password@cluster.example.com:26257/bank?sslmode=verify-full'

/** The reader's URL. It holds a password, so it never leaves this tab of the browser. */
export const clusterUrl = ref('')

const key = 'cluster-url'

/** What is wrong with a URL, or an empty text. */
export function problem(url: string): string {
  if (url === '') {
    return ''
  }
  if (!/^(jdbc:)?(postgres(ql)?|cockroachdb):\/\/[^/]+/.test(url)) {
    return 'This is no URL like postgresql://user:password@host:26257/database.'
  }
  if (/[<>]/.test(url)) {
    return 'Replace the part in angle brackets with the password of the SQL user.'
  }
  if (/\s/.test(url)) {
    return 'A URL has no blanks. In a password, write %20 for a blank.'
  }
  return ''
}

/** Writes the reader's URL into each command of the page, and returns what stops that. */
export function carryClusterUrl(): () => void {
  clusterUrl.value = sessionStorage.getItem(key) ?? ''
  const templates = new WeakMap<Text, string>()
  const fill = () => fillIn(templates)
  const observer = new MutationObserver(fill)
  observer.observe(document.body, { childList: true, subtree: true })
  const unwatch = watch(clusterUrl, (url) => {
    sessionStorage.setItem(key, url)
    fill()
  })
  fill()
  return () => {
    observer.disconnect()
    unwatch()
  }
}

function fillIn(templates: WeakMap<Text, string>) {
  const url = clusterUrl.value.trim()
  const isUsable = url !== '' && problem(url) === ''
  // Between single quotes of a shell, only a single quote has a meaning.
  const shown = isUsable ? url.replaceAll("'", "'\\''") : exampleUrl
  for (const code of document.querySelectorAll('.language-sh code')) {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT)
    while (texts.nextNode()) {
      const text = texts.currentNode as Text
      if (!templates.has(text) && text.data.includes(exampleUrl)) {
        templates.set(text, text.data)
      }
      const template = templates.get(text)
      const filled = template?.replace(exampleUrl, () => shown)
      if (filled !== undefined && filled !== text.data) {
        text.data = filled
      }
    }
  }
}
