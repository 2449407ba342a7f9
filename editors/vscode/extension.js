// Starts `nesyc lsp` and hands it to VS Code; everything the editor knows of the language comes from there.
"use strict";

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("nesy.restartServer", restart),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("nesy.server.command")) restart();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
  );
  await start();
}

async function start() {
  // The command may be the workspace's own: it runs only where the user trusts that.
  if (!vscode.workspace.isTrusted) return;
  const [command, ...args] = vscode.workspace.getConfiguration("nesy").get("server.command");
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const server = { command, args, transport: TransportKind.stdio, options: { cwd: folder } };
  client = new LanguageClient("nesy", "nesy", server, {
    documentSelector: [{ language: "nesy", scheme: "file" }, { language: "nesy", scheme: "untitled" }],
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/{*.nesy,*.csv,*.jsonl,nesyc.yaml}") },
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const chosen = await vscode.window.showErrorMessage(
      `nesy: \`${[command, ...args].join(" ")}\` does not start: ${error.message ?? error}. ` +
        "Install it (pip install 'nesyc[lsp]') or set nesy.server.command.",
      "Open settings",
    );
    if (chosen) vscode.commands.executeCommand("workbench.action.openSettings", "nesy.server.command");
  }
}

async function restart() {
  await deactivate();
  await start();
}

async function deactivate() {
  const running = client;
  client = undefined;
  await running?.stop();
}

module.exports = { activate, deactivate };
