"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function resolve(schema, all, depth) {
  if (!schema || depth > 4) return schema;
  if (schema.$ref) return resolve(all[schema.$ref.split("/").pop()], all, depth + 1);
  const copy = { ...schema };
  if (copy.properties) {
    copy.properties = Object.fromEntries(
      Object.entries(copy.properties).map(([name, value]) => [name, resolve(value, all, depth + 1)]),
    );
  }
  if (copy.items) copy.items = resolve(copy.items, all, depth + 1);
  for (const key of ["oneOf", "anyOf"]) {
    if (copy[key]) copy[key] = copy[key].map((each) => resolve(each, all, depth + 1));
  }
  return copy;
}

function addContent(parent, title, content, all) {
  for (const [type, body] of Object.entries(content || {})) {
    parent.append(element("p", `${title} (${type})`));
    parent.append(element("pre", JSON.stringify(resolve(body.schema, all, 0), null, 1)));
  }
}

function describe(path, method, operation, all) {
  const box = element("details");
  box.dataset.words = `${method} ${path} ${operation.summary || ""}`.toLowerCase();
  const head = element("summary");
  head.append(element("span", method.toUpperCase(), "method"), element("code", path));
  if (operation.summary) head.append(` ${operation.summary}`);
  box.append(head);
  if (operation.description) box.append(element("p", operation.description));
  for (const parameter of operation.parameters || []) {
    const needed = parameter.required ? ", required" : "";
    const line = element("p");
    line.append(element("code", parameter.name), ` in ${parameter.in}${needed}`);
    box.append(line);
  }
  addContent(box, "Request", (operation.requestBody || {}).content, all);
  for (const [status, answer] of Object.entries(operation.responses || {})) {
    addContent(box, `Answer ${status}`, answer.content, all);
  }
  return box;
}

async function show() {
  const answer = await fetch("/schema/openapi.json");
  const schema = await answer.json();
  const all = (schema.components || {}).schemas || {};
  const groups = new Map();
  for (const [path, item] of Object.entries(schema.paths)) {
    for (const method of METHODS) {
      if (!item[method]) continue;
      const tag = (item[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(describe(path, method, item[method], all));
    }
  }
  const list = document.getElementById("operations");
  list.replaceChildren();
  for (const [tag, boxes] of [...groups].sort()) {
    const section = element("section");
    section.append(element("h2", tag), ...boxes);
    list.append(section);
  }
}

function find(event) {
  const wanted = event.target.value.toLowerCase();
  for (const box of document.querySelectorAll("details")) {
    box.hidden = !box.dataset.words.includes(wanted);
  }
}

document.getElementById("find").addEventListener("input", find);
show();
