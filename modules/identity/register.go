package identity

import (
	"context"
	"errors"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/fault"
	"ampra/core/identity"
)

// Registration is what an account is made of.
type Registration struct {
	Email     string
	Password  string
	FirstName *string
	LastName  *string
	// Loopback is true for a request from this machine that nobody forwarded.
	Loopback bool
	// SetupToken allows the first account from elsewhere.
	SetupToken string
	// Unreadable names fields that could not be read as what they should be; they
	// are refused together with those that break a rule.
	Unreadable fault.Fields
}

// Register makes an account and signs it in. The first of an installation is the
// Overseer; it is made from loopback or with the setup token. After that it needs
// open registration. Not allowed is Forbidden, a taken e-mail a Conflict.
func (s *Service) Register(ctx context.Context, r Registration) (SignedIn, error) {
	signed, err := s.register(ctx, r)
	if errors.Is(err, errNotFirst) {
		return s.register(ctx, r)
	}
	return signed, err
}

// errNotFirst says that somebody else made the first account meanwhile, so that
// the rule for all others holds.
var errNotFirst = errors.New("the first account was made meanwhile")

func (s *Service) register(ctx context.Context, r Registration) (SignedIn, error) {
	exists, err := s.d.Users.Any(ctx)
	if err != nil {
		return SignedIn{}, err
	}
	role := actor.User
	switch {
	case exists && !s.cfg.OpenRegistration:
		return SignedIn{}, fault.New(fault.Forbidden, "Registration is closed. Sign in if you have an account, or ask an Admin of this installation for one.")
	case !exists:
		if err := s.mayBeFirst(ctx, r); err != nil {
			return SignedIn{}, err
		}
		role = actor.Overseer
	}
	user, err := s.prepare(r, role)
	if err != nil {
		return SignedIn{}, err
	}
	var signed SignedIn
	err = s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		create := s.d.Users.Create
		if !exists {
			create = s.createFirst
		}
		if err := create(ctx, user); err != nil {
			return err
		}
		if err := s.note(ctx, actor.Actor{UserID: user.ID}, audit.UserCreated, user.ID, string(role)); err != nil {
			return err
		}
		var err error
		signed, err = s.newSession(ctx, user)
		return err
	})
	if err != nil {
		return SignedIn{}, err
	}
	return signed, nil
}

// createFirst is CreateFirst with an error that can be told from other refusals.
func (s *Service) createFirst(ctx context.Context, user identity.User) error {
	err := s.d.Users.CreateFirst(ctx, user)
	if fault.Is(err, fault.Forbidden) {
		return errNotFirst
	}
	return err
}

func (s *Service) mayBeFirst(ctx context.Context, r Registration) error {
	if r.Loopback {
		return nil
	}
	if r.SetupToken != "" {
		ok, err := s.d.Setup.Matches(ctx, identity.DigestOf(r.SetupToken))
		if err != nil || ok {
			return err
		}
	}
	return fault.New(fault.Forbidden,
		"The first account is made on the machine itself, or with the setupToken that the server's log shows at start.")
}

// prepare validates all fields at once and hashes the password last, since that
// is dear.
func (s *Service) prepare(r Registration, role actor.Role) (identity.User, error) {
	id, err := s.newID()
	if err != nil {
		return identity.User{}, err
	}
	user := identity.User{
		ID: id, Email: identity.NormalEmail(r.Email), FirstName: r.FirstName, LastName: r.LastName, Role: role, CreatedAt: s.d.Clock.Now(),
	}
	wrong := fault.FieldsOf(user.Validate(), identity.CheckPassword("password", r.Password))
	if err := r.Unreadable.With(wrong.Err()); err != nil {
		return identity.User{}, err
	}
	user.PasswordHash, err = s.d.Hasher.Hash(r.Password)
	return user, err
}

// NewUser is an account that an Admin makes.
type NewUser struct {
	Email    string
	Password string
	Role     actor.Role
	// Unreadable is as in Registration.
	Unreadable fault.Fields
}

// CreateUser makes an account for somebody else. It needs the role Admin, and
// nobody gives a role above their own.
func (s *Service) CreateUser(ctx context.Context, who actor.Actor, n NewUser) (identity.User, error) {
	if err := who.Need(actor.Admin); err != nil {
		return identity.User{}, err
	}
	if n.Role.Rank() > who.Role.Rank() {
		return identity.User{}, fault.New(fault.Forbidden, "A role above your own can't be given.")
	}
	return s.addUser(ctx, who, n, s.d.Users.Create)
}

// AddUser makes an account for the operator at the machine's own command line,
// who needs no session. The first one is the Overseer.
func (s *Service) AddUser(ctx context.Context, n NewUser) (identity.User, error) {
	exists, err := s.d.Users.Any(ctx)
	if err != nil {
		return identity.User{}, err
	}
	if !exists {
		first := n
		first.Role = actor.Overseer
		user, err := s.addUser(ctx, actor.Actor{}, first, s.createFirst)
		if !errors.Is(err, errNotFirst) {
			return user, err
		}
	}
	return s.addUser(ctx, actor.Actor{}, n, s.d.Users.Create)
}

func (s *Service) addUser(ctx context.Context, who actor.Actor, n NewUser, create func(context.Context, identity.User) error) (identity.User, error) {
	user, err := s.prepare(Registration{Email: n.Email, Password: n.Password, Unreadable: n.Unreadable}, n.Role)
	if err != nil {
		return identity.User{}, err
	}
	err = s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		if err := create(ctx, user); err != nil {
			return err
		}
		return s.note(ctx, who, audit.UserCreated, user.ID, string(user.Role))
	})
	if err != nil {
		return identity.User{}, err
	}
	return user, nil
}

// Users lists all accounts for the operator at the command line.
func (s *Service) Users(ctx context.Context) ([]identity.User, error) { return s.d.Users.List(ctx) }

// PrepareSetup stores a fresh setup token and returns it, while there is no
// account yet; "" afterwards.
func (s *Service) PrepareSetup(ctx context.Context) (string, error) {
	exists, err := s.d.Users.Any(ctx)
	if err != nil || exists {
		return "", err
	}
	text, digest, err := identity.NewOpaque(s.d.Random, "setup_")
	if err != nil {
		return "", err
	}
	if err := s.d.Setup.Put(ctx, digest); err != nil {
		return "", err
	}
	return text, nil
}
