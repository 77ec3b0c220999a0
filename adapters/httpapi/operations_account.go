package httpapi

import (
	"net/http"

	users "ampra/modules/identity"
)

func sessionHeader() map[string]string {
	return map[string]string{"Set-Cookie": "The session."}
}

func docRegister() operation {
	var token *string
	return operation{
		id: "register", summary: "Register",
		about:    "Makes an account and signs in. The first account of an installation is its Overseer; it is made on the machine itself or with the setupToken.",
		body:     registerFields(&users.Registration{}, &token),
		answers:  []answer{{status: http.StatusCreated, dto: UserDto{}, headers: sessionHeader()}},
		refusals: map[int]string{403: "Registration is closed, or sent by a page of another origin.", 409: "The e-mail is taken."},
	}
}

func docLogin() operation {
	return operation{
		id: "login", summary: "Sign in", body: loginFields(&signInForm{}),
		answers:  []answer{{status: http.StatusOK, dto: UserDto{}, headers: sessionHeader()}},
		refusals: map[int]string{401: "The e-mail or the password is wrong.", 429: "Too many failures in a row; Retry-After says how long to wait."},
	}
}

func docLogout() operation {
	return operation{
		id: "logout", summary: "Sign out", about: "Ends the session, if there is one.", answers: []answer{{status: http.StatusNoContent}},
	}
}

func docMe() operation {
	return operation{id: "getMe", summary: "Get one's own account", answers: ok(UserDto{})}
}

func docChangePassword() operation {
	return operation{
		id: "changePassword", summary: "Change the password", about: "Ends all other sessions.",
		body: passwordFields(&passwordForm{}), answers: []answer{{status: http.StatusNoContent}},
		refusals: map[int]string{429: "Too many failures in a row; Retry-After says how long to wait."},
	}
}

func docListTokens() operation {
	return operation{id: "listTokens", summary: "List API tokens", answers: ok([]TokenDto{})}
}

func docCreateToken() operation {
	return operation{
		id: "createToken", summary: "Create an API token", about: "The token is shown in this answer only.",
		body: createTokenFields(&users.NewToken{}), answers: []answer{{status: http.StatusCreated, dto: CreatedTokenDto{}}},
		refusals: map[int]string{409: "There are too many tokens, or the first request with the Idempotency-Key is still under way."},
	}
}

func docRevokeToken() operation {
	return operation{id: "revokeToken", summary: "Revoke an API token", answers: []answer{{status: http.StatusNoContent}}}
}

func docCreateUser() operation {
	return operation{
		id: "createUser", summary: "Create an account for somebody else", body: createUserFields(&users.NewUser{}),
		answers: []answer{{status: http.StatusCreated, dto: UserDto{}}}, refusals: map[int]string{409: "The e-mail is taken."},
	}
}
