/* A row of tabs that is wider than the screen shows the one that is open. */
const current = document.querySelector(".settings > nav [aria-current], .tabs [aria-current]");
if (current) current.parentElement.scrollLeft = current.offsetLeft - (current.parentElement.clientWidth - current.offsetWidth) / 2;
