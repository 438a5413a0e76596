// Appends messages to an inbox the way Claude Code does: under proper-lockfile's lock, whole file, rename.
// node append.cjs INBOX NAME COUNT
const fs = require('fs')
const lockfile = require('proper-lockfile')

const [inbox, name, count] = process.argv.slice(2)

async function main() {
  for (let number = 0; number < Number(count); number++) {
    // Claude Code gives up after ten tries; a test that counts does not.
    const release = await lockfile.lock(inbox, { retries: { retries: 1000, minTimeout: 5, maxTimeout: 100 } })
    const messages = JSON.parse(fs.readFileSync(inbox, 'utf8'))
    messages.push({ from: name, text: `${number}`, timestamp: new Date().toISOString(), read: false })
    const temporary = `${inbox}.tmp.${process.pid.toString(16)}`
    fs.writeFileSync(temporary, JSON.stringify(messages, null, 2))
    fs.renameSync(temporary, inbox)
    await release()
  }
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
